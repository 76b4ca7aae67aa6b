/** Doors, clients and knocks for tests of the pure core: real derivation, small and readable policies. */

import assert from 'node:assert/strict';
import type { DoorPolicy, Enrolment } from '../../../server/core/door.ts';
import type { LiveSequence } from '../../../server/core/matching/live-sequence.ts';
import { type AddressKey, addressKey } from '../../../shared/address.ts';
import { allowedPorts, parsePortRanges } from '../../../shared/allowed-ports.ts';
import { derivationKey, deriveSequence } from '../../../shared/derive.ts';
import { type Pair, pairOf } from '../../../shared/knock.ts';
import { Secret } from '../../../shared/secret.ts';

export const SERVER = 'bastion1';

const PORTS = allowedPorts(parsePortRanges('1024-65535'), []);

export function doorPolicy(changes: Partial<DoorPolicy> = {}): DoorPolicy {
  return {
    name: 'ssh',
    mode: 'totp',
    shape: { knocks: 6, ports: PORTS, protocols: 'tcp' },
    order: 'any',
    stepSeconds: 30,
    window: 1,
    lookAhead: 10,
    seqTimeoutMs: 10_000,
    grantMs: 30_000,
    maxStrays: 64,
    ...changes,
  };
}

/** A client with a secret made from its name and `seed`. */
export function enrolment(client: string, door = 'ssh', seed = ''): Enrolment {
  const secret = Secret.fromBytes(new TextEncoder().encode(`${client}${seed}`.padEnd(20, '.')));
  return { door, client, keyId: `${client}${seed}`, key: derivationKey(secret) };
}

/** The client's knocks for a factor. */
export function pairsFor(policy: DoorPolicy, who: Enrolment, factor: number, server = SERVER): readonly Pair[] {
  const identity = { server, door: policy.name, client: who.client, mode: policy.mode };
  return deriveSequence(who.key, identity, factor, policy.shape).map(({ protocol, port }) => pairOf(protocol, port));
}

export function address(text: string): AddressKey {
  const key = addressKey(text);
  assert.ok(key !== undefined, `${text} is not an address`);
  return key;
}

/** Three knocks in any order, live from the beginning. */
export function liveSequence(changes: Partial<LiveSequence> = {}): LiveSequence {
  return {
    id: 1,
    door: 'ssh',
    client: 'laptop',
    keyId: 'key',
    factor: 1,
    pairs: [7001, 9002, 8003],
    order: 'any',
    seqTimeoutMs: 10_000,
    maxStrays: 8,
    enteredAtMs: 0,
    ...changes,
  };
}
