/**
 * The contract that every firewall backend must fulfil, tested with real connections between two namespaces. The tests
 * of each backend cover what it does beyond (ends grants by itself, notices a missing table).
 */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { ActionDoor, DoorAction, Firewall } from '../../../server/firewall/firewall.ts';
import { type AddressKey, addressKey } from '../../../shared/address.ts';
import { ADDRESSES, PORTS } from '../../support/host/firewall-world.ts';

/**
 * What the contract needs of the two ends: a FirewallWorld, or a world where an open port may still refuse a client.
 */
export interface DoorWorld {
  connect(from: string, port: number): Promise<number>;
  assertAlive(connection: number): Promise<void>;
  assertOpen(from: string, port: number): Promise<void>;
  assertDropped(from: string, port: number): Promise<unknown>;
}

export interface FirewallUnderTest {
  /** Makes a backend as at the start of the daemon, not yet prepared. */
  make(): Promise<Firewall>;
  /** The action of a door that opens the port by this backend. */
  action(port: number): DoorAction;
  /** Clears the namespace, then sets up what a door of this backend needs. */
  reset(): void;
  /** Frees the resources of `make`. */
  end?(): void;
}

export function keyOf(address: string): AddressKey {
  const key = addressKey(address);
  assert(key !== undefined, address);
  return key;
}

const MINUTE = 60_000;
/** Longer than any test, even where each change runs a program on a busy machine. */
export const HOUR = 60 * MINUTE;

export function firewallContract(name: string, world: () => DoorWorld, backend: FirewallUnderTest): void {
  const [portA, portB, unguarded] = PORTS;
  const doorA: ActionDoor = { name: 'a', action: backend.action(portA) };
  const doorB: ActionDoor = { name: 'b.B_-', action: backend.action(portB) };

  describe(`the firewall contract, ${name}`, () => {
    let firewall: Firewall;
    before(() => backend.reset());
    beforeEach(async () => {
      backend.reset();
      firewall = await backend.make();
      await firewall.prepare([doorA, doorB], []);
    });
    after(() => backend.end?.());

    for (const [family, { clients }] of Object.entries(ADDRESSES)) {
      const [client, other] = clients;

      test(`when a door is prepared then nobody gets in over ${family}, and an unguarded port is as before`, async () => {
        await world().assertDropped(client, portA);
        await world().assertDropped(client, portB);
        await world().assertOpen(client, unguarded);
      });

      test(`when a source is let in over ${family} then it gets in, at that door, and nobody else does`, async () => {
        await firewall.open(doorA, keyOf(client), HOUR);
        await world().assertOpen(client, portA);
        await world().assertDropped(client, portB);
        await world().assertDropped(other, portA);
      });

      test(`when the door closes over ${family} then the session lives on and a new one is dropped`, async () => {
        await firewall.open(doorA, keyOf(client), HOUR);
        const session = await world().connect(client, portA);
        await world().assertAlive(session);
        await firewall.close(doorA, keyOf(client));
        await world().assertAlive(session);
        await world().assertDropped(client, portA);
        await world().assertAlive(session);
      });
    }

    const [first, second] = ADDRESSES.IPv4.clients;
    const [first6] = ADDRESSES.IPv6.clients;

    test('when a source is let in twice then one close ends it', async () => {
      await firewall.open(doorA, keyOf(first), HOUR);
      await firewall.open(doorA, keyOf(first), 2 * HOUR);
      await world().assertOpen(first, portA);
      await firewall.close(doorA, keyOf(first));
      await world().assertDropped(first, portA);
    });

    test('when it has been closed then it can be opened again', async () => {
      await firewall.open(doorA, keyOf(first), HOUR);
      await firewall.close(doorA, keyOf(first));
      await firewall.open(doorA, keyOf(first), HOUR);
      await world().assertOpen(first, portA);
    });

    test('when one source is closed then others remain in, at both doors', async () => {
      for (const source of [first, second, first6]) await firewall.open(doorA, keyOf(source), HOUR);
      await firewall.open(doorB, keyOf(first), HOUR);
      await firewall.close(doorA, keyOf(first));
      await world().assertDropped(first, portA);
      await world().assertOpen(second, portA);
      await world().assertOpen(first6, portA);
      await world().assertOpen(first, portB);
    });

    test('when a source that is not in is closed then that is no error', async () => {
      await firewall.close(doorA, keyOf(first));
      await firewall.close(doorA, keyOf(first6));
      await world().assertDropped(first, portA);
    });

    test('when sources are in then the list has them with their time left, and no others', async () => {
      assert.deepEqual(await firewall.list(), []);
      await firewall.open(doorA, keyOf(first), HOUR);
      await firewall.open(doorB, keyOf(first6), 5 * HOUR);
      await firewall.open(doorA, keyOf(second), HOUR);
      await firewall.close(doorA, keyOf(second));
      const listed = [...(await firewall.list())].sort((a, b) => a.remainingMs - b.remainingMs);
      assert.deepEqual(
        listed.map(({ door, source }) => ({ door, source })),
        [
          { door: doorA.name, source: keyOf(first) },
          { door: doorB.name, source: keyOf(first6) },
        ],
      );
      const [soon, later] = listed.map(({ remainingMs }) => remainingMs);
      assert(soon !== undefined && soon > HOUR - 5 * MINUTE && soon <= HOUR, `${soon}`);
      assert(later !== undefined && later > 5 * HOUR - 5 * MINUTE && later <= 5 * HOUR, `${later}`);
    });

    test('when a new process prepares with the openings then they are in, known, and end with one close', async () => {
      await firewall.open(doorA, keyOf(first), HOUR);
      const openings = [{ door: 'a', source: keyOf(first), remainingMs: HOUR }];
      const next = await backend.make();
      await next.prepare([doorA, doorB], openings);
      await world().assertOpen(first, portA);
      await world().assertDropped(second, portA);
      assert.deepEqual(
        (await next.list()).map(({ source }) => source),
        [keyOf(first)],
      );
      await next.open(doorA, keyOf(first), 2 * HOUR);
      await next.close(doorA, keyOf(first));
      await world().assertDropped(first, portA);
    });

    test('when it is prepared then its guard stands', async () => {
      await firewall.open(doorA, keyOf(first), HOUR);
      assert.equal(await firewall.guardStands(), true);
    });

    test('when many verbs for one source are asked at once then the last one holds', async () => {
      const verbs: Promise<void>[] = [];
      for (let round = 0; round < 5; round += 1) {
        verbs.push(firewall.open(doorA, keyOf(first), HOUR), firewall.close(doorA, keyOf(first)));
        verbs.push(firewall.close(doorB, keyOf(first)), firewall.open(doorB, keyOf(first), HOUR));
      }
      await Promise.all(verbs);
      await world().assertDropped(first, portA);
      await world().assertOpen(first, portB);
    });
  });
}
