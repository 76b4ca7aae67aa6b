/** How long a command may take is what its door says: it is killed then, and no sooner. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commandMs, runServiceCommand } from '../../../../server/demand/service-commands.ts';
import { formatTerms, parseTerms, type ServiceTerms } from '../../../../server/demand/service-terms.ts';
import { CommandFirewall } from '../../../../server/firewall/command-doors.ts';
import { addressKey } from '../../../../shared/address.ts';

const SOURCE = addressKey('192.0.2.7') ?? assert.fail();
const KILLED = /did not end within 300 ms and was killed/;
const terms = (more: Partial<ServiceTerms>): ServiceTerms => ({
  ...{ start: 'sleep 60', stop: 'sleep 0.5', ports: [22], idleMs: 1000 },
  ...more,
});

test("when a door says how long its commands may take then that counts, and not the others' time", async () => {
  const firewall = new CommandFirewall({ timeoutMs: 100 });
  const open = (start: string, timeoutMs: number) =>
    firewall.open({ name: 'd', action: { kind: 'command', start, timeoutMs } }, SOURCE, 1000);
  await assert.rejects(open('sleep 60', 300), KILLED);
  await open('sleep 0.5', 60_000);
});

test('when a service says how long its commands may take then that counts, also after a restart', async () => {
  const read = parseTerms(formatTerms(terms({ timeoutMs: 300 })));
  assert.deepEqual(read, terms({ timeoutMs: 300 }));
  await assert.rejects(runServiceCommand('d', read ?? assert.fail(), 'start'), KILLED);
  await runServiceCommand('d', terms({ timeoutMs: 60_000 }), 'stop');
  assert.equal(commandMs(parseTerms(formatTerms(terms({}))) ?? assert.fail()), 30_000);
});
