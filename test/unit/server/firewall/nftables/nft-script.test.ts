/** The text of nft scripts and listings, failures of the nft program, and the firewall of all doors. */
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import fc from 'fast-check';
import { CommandFirewall } from '../../../../../server/firewall/command-doors.ts';
import { DoorsFirewall } from '../../../../../server/firewall/doors-firewall.ts';
import type { ActionDoor } from '../../../../../server/firewall/firewall.ts';
import { openScript, parseOpenings } from '../../../../../server/firewall/nftables/nft-script.ts';
import { parseSetName, setName } from '../../../../../server/firewall/nftables/nft-sets.ts';
import { NftablesFirewall } from '../../../../../server/firewall/nftables/nftables.ts';
import { openLibnftables } from '../../../../../server/nft/libnftables.ts';
import { NftProcess } from '../../../../../server/nft/nft-process.ts';
import { addressKey } from '../../../../../shared/address.ts';
import { NAME_PATTERN } from '../../../../../shared/formats/profile-uri.ts';

const directory = mkdtempSync(join(tmpdir(), 'knock-otp-nft-'));
after(() => rmSync(directory, { recursive: true, force: true }));
const SOURCE = addressKey('192.0.2.7') ?? assert.fail();

describe('a set name', () => {
  test('whatever the door is called, its set has a name that nft takes and that leads back to it', () => {
    fc.assert(
      fc.property(fc.stringMatching(NAME_PATTERN), fc.constantFrom(4 as const, 6 as const), (door, family) => {
        const set = setName(door, family);
        assert.match(set, /^v[46]_[A-Za-z0-9_]{1,192}$/);
        assert.deepEqual(parseSetName(set), { door, family });
      }),
    );
  });

  for (const set of ['', 'v4_', 'v5_a', 'v4_a-b', 'v4_a_2E', 'v4__2e', 'other', 'v6_a_', 'v4_a_0a']) {
    test(`when a set is called ${JSON.stringify(set)} then it is not ours`, () => {
      assert.equal(parseSetName(set), undefined);
    });
  }
});

describe('a script', () => {
  test('whatever the duration, the timeout is none that the kernel takes for no end', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, minExcluded: true, noNaN: true }), (durationMs) => {
        const [, seconds, ms] = /timeout (\d{1,8})s(\d{1,3})ms }\n$/.exec(openScript('a', SOURCE, durationMs)) ?? [];
        const total = Number(seconds) * 1000 + Number(ms);
        assert(total >= 100 && total <= 99_999_999_000);
        if (durationMs >= 100 && durationMs <= 99_999_999_000) assert.equal(total, Math.ceil(durationMs));
      }),
    );
  });
});

describe('a listing', () => {
  const listing = (elements: unknown, name = 'v4_a') =>
    JSON.stringify({ nftables: [{ metainfo: {} }, { set: { name, elem: elements } }, { rule: {} }] });

  test('when elements end, end this second, or never end then the list says so', () => {
    const elements = [
      { elem: { val: '192.0.2.1', timeout: 60, expires: 59 } },
      { elem: { val: '192.0.2.2', timeout: 60 } },
      '192.0.2.3',
    ];
    assert.deepEqual(
      parseOpenings(listing(elements)).map(({ remainingMs }) => remainingMs),
      [59_000, 0, Number.POSITIVE_INFINITY],
    );
    assert.deepEqual(parseOpenings(listing(elements, 'theirs')), []);
  });

  for (const json of [
    '',
    '[]',
    '{}',
    'null',
    '{"nftables":1}',
    listing([{ elem: {} }]),
    listing(['fe80::/10']),
    listing('x'),
  ]) {
    test(`when it is ${json.slice(0, 60)} then it is refused`, () => {
      assert.throws(() => parseOpenings(json), { code: 'FIREWALL' });
    });
  }
});

describe('the nft program', () => {
  test('when it is not installed then that is said', async () => {
    const runner = new NftProcess({ program: 'nft-that-is-not-there' });
    await assert.rejects(runner.run('list ruleset'), { code: 'FIREWALL', message: /not installed/ });
  });

  test('when it does not end then it is killed', async () => {
    const runner = new NftProcess({ program: script('hang', 'exec sleep 600'), timeoutMs: 300 });
    await assert.rejects(runner.run('list ruleset'), { code: 'FIREWALL', message: /SIGKILL/ });
  });

  test('when it fails then its words are in the error, clean and short', async () => {
    const runner = new NftProcess({
      program: script('fail', "printf 'Operation not\\033 permitted\\n%9999s' >&2; exit 1"),
    });
    await assert.rejects(runner.run('list ruleset'), (error: Error & { hint?: string }) => {
      assert.match(error.message, /^nftables refused: Operation not permitted/);
      assert(error.message.length < 700);
      assert.match(error.hint ?? '', /CAP_NET_ADMIN/);
      return true;
    });
  });

  test('when nothing can be run then opening rejects, and the guard does not stand', async () => {
    const firewall = new NftablesFirewall(new NftProcess({ program: 'nft-that-is-not-there' }));
    const door = { name: 'a', action: { kind: 'nftables', services: [{ protocol: 'tcp', port: 22 }] } } as const;
    await assert.rejects(firewall.prepare([door], []), { code: 'FIREWALL' });
    await assert.rejects(firewall.open(door, SOURCE, 1000), { code: 'FIREWALL' });
    await assert.rejects(firewall.list(), { code: 'FIREWALL' });
    assert.equal(await firewall.guardStands(), false);
  });
});

test('when the library is not there then none is opened', async () => {
  assert.equal(await openLibnftables('libnftables-that-is-not-there.so.1'), undefined);
});

describe('the firewall of all doors', () => {
  const nothing = new NftablesFirewall(new NftProcess({ program: 'nft-that-is-not-there' }));

  test('when no door needs nftables then a machine without it is no error', async () => {
    const firewall = new DoorsFirewall({ nftables: nothing, command: new CommandFirewall() });
    const door: ActionDoor = { name: 'a', action: { kind: 'command', start: 'true', stop: 'true' } };
    await firewall.prepare([door], []);
    await firewall.open(door, SOURCE, 60_000);
    assert.deepEqual(
      (await firewall.list()).map(({ door: name, source }) => ({ name, source })),
      [{ name: 'a', source: SOURCE }],
    );
    assert.equal(await firewall.guardStands(), true);
    assert.equal(firewall.openingsPersist(door.action), true);
    await firewall.release();
  });

  test('when a door needs what does not work then preparing rejects', async () => {
    const firewall = new DoorsFirewall({ nftables: nothing, command: new CommandFirewall() });
    const door: ActionDoor = { name: 'a', action: { kind: 'nftables', services: [{ protocol: 'tcp', port: 22 }] } };
    await assert.rejects(firewall.prepare([door], []), { code: 'FIREWALL' });
    assert.equal(firewall.openingsPersist(door.action), false);
  });
});

function script(name: string, body: string): string {
  const file = join(directory, name);
  writeFileSync(file, `#!/bin/sh\n${body}\n`);
  chmodSync(file, 0o755);
  return file;
}
