/** Leftovers of an earlier configuration are searched for only in firewalls that knock-otpd has changed. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, describe, test } from 'node:test';
import { CommandFirewall } from '../../../../server/firewall/command-doors.ts';
import { DoorsFirewall } from '../../../../server/firewall/doors-firewall.ts';
import type { ActionDoor } from '../../../../server/firewall/firewall.ts';
import { touchedFirewalls } from '../../../../server/firewall/touched-firewalls.ts';

const root = mkdtempSync(join(tmpdir(), 'knock-otp-touched-'));
after(() => rmSync(root, { recursive: true }));
let folder = 0;
let stateDir = '';
let prepared: string[] = [];
let fails = false;

/** A backend that records each call of `prepare`. */
class Recorded extends CommandFirewall {
  readonly #name: string;
  constructor(name: string) {
    super();
    this.#name = name;
  }
  override async prepare(doors: readonly ActionDoor[]): Promise<void> {
    prepared.push(`${this.#name} ${doors.length} doors, noted: ${noted().includes(this.#name)}`);
    if (fails) throw new Error('no answer');
  }
}

function noted(): readonly string[] {
  try {
    return readFileSync(join(stateDir, 'firewalls'), 'utf8').split('\n').filter(Boolean);
  } catch {
    return [];
  }
}

function start(): DoorsFirewall {
  prepared = [];
  const backends = { nftables: new Recorded('nftables'), ufw: new Recorded('ufw'), iptables: new Recorded('iptables') };
  return new DoorsFirewall(backends, touchedFirewalls(stateDir));
}

const doorOf = (kind: 'ufw' | 'iptables'): ActionDoor => ({
  name: 'a',
  action: { kind, services: [{ protocol: 'tcp', port: 22 }] },
});

describe('the note of what was touched', () => {
  beforeEach(() => {
    folder += 1;
    stateDir = join(root, `${folder}`);
    fails = false;
  });

  test('when a firewall was never ours then it is not asked, nftables apart', async () => {
    await start().prepare([doorOf('ufw')], []);
    assert.deepEqual(prepared, ['nftables 0 doors, noted: false', 'ufw 1 doors, noted: true']);
    assert.equal(statSync(join(stateDir, 'firewalls')).mode & 0o777, 0o600);
  });

  test('when a door has moved to another firewall then the one before is cleaned, once', async () => {
    await start().prepare([doorOf('ufw')], []);
    await start().prepare([doorOf('iptables')], []);
    assert.deepEqual(prepared.slice(1), ['ufw 0 doors, noted: true', 'iptables 1 doors, noted: true']);
    await start().prepare([doorOf('iptables')], []);
    assert.deepEqual(prepared.slice(1), ['iptables 1 doors, noted: true']);
  });

  test('when it could not be cleaned then the next start tries again', async () => {
    await start().prepare([doorOf('ufw')], []);
    fails = true;
    await start().prepare([], []);
    assert.deepEqual(noted(), ['ufw']);
    fails = false;
    await start().prepare([], []);
    assert(prepared.includes('ufw 0 doors, noted: true'));
    assert.deepEqual(noted(), []);
  });

  test('when the state cannot be written then the guard goes up all the same', async () => {
    stateDir = join(root, 'a-file');
    writeFileSync(stateDir, '');
    await start().prepare([doorOf('ufw')], []);
    assert(prepared.includes('ufw 1 doors, noted: false'));
  });

  test('when all is taken away then every firewall is asked, touched or not', async () => {
    await start().purge();
    assert.equal(prepared.length, 3);
  });
});
