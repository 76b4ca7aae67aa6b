/**
 * The contract that every store must fulfil. Times are arbitrary integers, because a store reads no clock.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { FactorState } from '../../../server/core/door.ts';
import type { FactorOwner, JournaledGrant, Store } from '../../../server/store/store.ts';
import { type AddressKey, addressKey } from '../../../shared/address.ts';

export const OWNER: FactorOwner = { door: 'ssh', client: 'laptop', keyId: 'k1' };

export function source(text: string): AddressKey {
  const key = addressKey(text);
  assert(key !== undefined);
  return key;
}

export function grantFor(text: string, more: Partial<JournaledGrant> = {}): Omit<JournaledGrant, 'confirmed'> {
  return { door: 'ssh', source: source(text), client: 'laptop', openedAt: 1000, expiresAt: 31_000, ...more };
}

/** @param make returns a new, empty store for each test; the caller cleans up */
export function storeContract(name: string, make: () => Promise<Store>): void {
  describe(`the store contract, ${name}`, () => {
    test('when a store is new then it knows nothing', async () => {
      const store = await make();
      assert.deepEqual(await store.load(), { factors: [], grants: [], services: [], clockHighWater: 0 });
      await store.close();
    });

    test('when a factor is spent with a grant then both are there, the grant unconfirmed', async () => {
      const store = await make();
      await store.spend(OWNER, { spent: 7, drift: -0.5, lastUse: 1000 }, grantFor('192.0.2.7'));
      assert.deepEqual(await store.load(), {
        factors: [{ ...OWNER, spent: 7, drift: -0.5, lastUse: 1000 }],
        grants: [{ ...grantFor('192.0.2.7'), confirmed: false }],
        services: [],
        clockHighWater: 0,
      });
      await store.close();
    });

    test('when a factor is spent without a grant then no grant is there', async () => {
      const store = await make();
      await store.spend(OWNER, { spent: 0, drift: 0 });
      assert.deepEqual(await store.load(), {
        factors: [{ ...OWNER, spent: 0, drift: 0 }],
        grants: [],
        services: [],
        clockHighWater: 0,
      });
      await store.close();
    });

    test('when a grant is journaled alone then it is there unconfirmed, and replaces a confirmed one', async () => {
      const store = await make();
      await store.journal(grantFor('192.0.2.7'));
      await store.confirmOpen('ssh', source('192.0.2.7'));
      await store.journal(grantFor('192.0.2.7', { expiresAt: 40_000 }));
      assert.deepEqual(await store.load(), {
        factors: [],
        grants: [{ ...grantFor('192.0.2.7', { expiresAt: 40_000 }), confirmed: false }],
        services: [],
        clockHighWater: 0,
      });
      await store.close();
    });

    for (const again of [6, 7]) {
      test(`when 7 is spent then spending ${again} rejects and changes neither factor nor grants`, async () => {
        const store = await make();
        await store.spend(OWNER, { spent: 7, drift: 1 }, grantFor('192.0.2.7'));
        await store.confirmOpen('ssh', source('192.0.2.7'));
        const before = await store.load();
        const second = store.spend(OWNER, { spent: again, drift: 0 }, grantFor('192.0.2.7', { expiresAt: 99_000 }));
        await assert.rejects(second, { name: 'KnockError', code: 'FACTOR_USED' });
        await assert.rejects(store.spend(OWNER, { spent: again, drift: 0 }, grantFor('192.0.2.8')), {
          code: 'FACTOR_USED',
        });
        assert.deepEqual(await store.load(), before);
        await store.close();
      });
    }

    test('when two spend the same factor at once then exactly one is accepted', async () => {
      const store = await make();
      const spends = [1, 2, 3, 4].map((n) => store.spend(OWNER, { spent: 5, drift: 0 }, grantFor(`192.0.2.${n}`)));
      const accepted = (await Promise.allSettled(spends)).filter(({ status }) => status === 'fulfilled');
      assert.equal(accepted.length, 1);
      assert.equal((await store.load()).grants.length, 1);
      await store.close();
    });

    test('when a client has a new secret, another door or another name then its factors are its own', async () => {
      const store = await make();
      const owners = [OWNER, { ...OWNER, keyId: 'k2' }, { ...OWNER, door: 'www' }, { ...OWNER, client: 'phone' }];
      for (const [index, owner] of owners.entries()) await store.spend(owner, { spent: 10 - index, drift: 0 });
      const { factors } = await store.load();
      for (const [index, owner] of owners.entries()) {
        assert(factors.some((factor) => isOwner(factor, owner) && factor.spent === 10 - index));
      }
      assert.equal(factors.length, owners.length);
      await store.close();
    });

    test('when the opening is confirmed then only that grant is', async () => {
      const store = await make();
      await store.spend(OWNER, { spent: 1, drift: 0 }, grantFor('192.0.2.1'));
      await store.spend(OWNER, { spent: 2, drift: 0 }, grantFor('2001:db8::1'));
      await store.confirmOpen('ssh', source('2001:db8::1'));
      const { grants } = await store.load();
      assert.equal(grants.find((grant) => grant.source === source('192.0.2.1'))?.confirmed, false);
      assert.equal(grants.find((grant) => grant.source === source('2001:db8::1'))?.confirmed, true);
      await store.close();
    });

    test('when a source knocks again then its one grant has the new end and is unconfirmed', async () => {
      const store = await make();
      await store.spend(OWNER, { spent: 1, drift: 0 }, grantFor('192.0.2.1'));
      await store.confirmOpen('ssh', source('192.0.2.1'));
      await store.spend(OWNER, { spent: 2, drift: 0 }, grantFor('192.0.2.1', { openedAt: 5000, expiresAt: 40_000 }));
      assert.deepEqual((await store.load()).grants, [
        { ...grantFor('192.0.2.1', { openedAt: 5000, expiresAt: 40_000 }), confirmed: false },
      ]);
      await store.close();
    });

    test('when a grant is closed then it is forgotten, and closing or confirming it again is no error', async () => {
      const store = await make();
      await store.spend(OWNER, { spent: 1, drift: 0 }, grantFor('192.0.2.1'));
      await store.closeGrant('ssh', source('192.0.2.1'));
      await store.closeGrant('ssh', source('192.0.2.1'));
      await store.confirmOpen('ssh', source('192.0.2.1'));
      assert.deepEqual((await store.load()).grants, []);
      await store.close();
    });

    test('when an IPv4 address and the IPv6 address of the same last bytes have grants then they are two', async () => {
      const store = await make();
      await store.spend(OWNER, { spent: 1, drift: 0 }, grantFor('192.0.2.1'));
      await store.spend(OWNER, { spent: 2, drift: 0 }, grantFor('::c000:201'));
      await store.closeGrant('ssh', source('::c000:201'));
      assert.deepEqual(
        (await store.load()).grants.map((grant) => grant.source),
        [source('192.0.2.1')],
      );
      await store.close();
    });

    test('when it was late once then noting an earlier time changes nothing, accepting one does', async () => {
      const store = await make();
      await store.noteClock(2_000_000_000_000);
      await store.noteClock(1_000_000_000_000);
      assert.equal((await store.load()).clockHighWater, 2_000_000_000_000);
      await store.acceptClock(1_500_000_000_000);
      assert.equal((await store.load()).clockHighWater, 1_500_000_000_000);
      await store.close();
    });

    test('when a factor is as large as numbers go then it reads back exactly', async () => {
      const store = await make();
      await store.spend(OWNER, { spent: Number.MAX_SAFE_INTEGER - 1, drift: 0 });
      await store.spend(OWNER, { spent: Number.MAX_SAFE_INTEGER, drift: 0 });
      assert.equal((await store.load()).factors[0]?.spent, Number.MAX_SAFE_INTEGER);
      await store.close();
    });

    for (const spent of [-1, 1.5, Number.NaN, 2 ** 53]) {
      test(`when ${spent} is to be spent then it is refused and nothing is stored`, async () => {
        const store = await make();
        await assert.rejects(store.spend(OWNER, { spent, drift: 0 }, grantFor('192.0.2.1')), { code: 'STORE' });
        assert.deepEqual(await store.load(), { factors: [], grants: [], services: [], clockHighWater: 0 });
        await store.close();
      });
    }

    test('when a service is journaled then it is there, replaces itself, and is forgotten by door and command', async () => {
      const store = await make();
      const service = {
        door: 'ssh',
        stop: '/bin/stop',
        terms: '{}',
        startedAt: 1000,
        seen: false,
        stopping: false,
        boot: 'b',
      };
      await store.noteService(service);
      await store.noteService({ ...service, stop: '/bin/other' });
      const later = { ...service, seen: true, stopping: true, idleSince: 2000 };
      await store.noteService(later);
      await store.forgetService('web', '/bin/stop');
      await store.forgetService('ssh', '/bin/other');
      assert.deepEqual((await store.load()).services, [later]);
      await store.noteService(service);
      assert.deepEqual((await store.load()).services, [service]);
      await store.close();
    });

    test('when the store is closed then every verb rejects with STORE', async () => {
      const store = await make();
      await store.close();
      await assert.rejects(store.load(), { code: 'STORE' });
      await assert.rejects(store.spend(OWNER, { spent: 1, drift: 0 }), { code: 'STORE' });
      await assert.rejects(store.noteClock(1), { code: 'STORE' });
    });

    test('whatever is spent in whatever order, spent never goes down and accepted ones are kept', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(fc.tuple(fc.nat(2), fc.nat(20)), { maxLength: 30 }), async (spends) => {
          const store = await make();
          const highest = new Map<string, number>();
          for (const [client, spent] of spends) {
            const owner = { ...OWNER, client: `c${client}` };
            const allowed = spent > (highest.get(owner.client) ?? -1);
            const accepted = await store.spend(owner, { spent, drift: 0 }).then(
              () => true,
              () => false,
            );
            assert.equal(accepted, allowed);
            if (accepted) highest.set(owner.client, spent);
          }
          const { factors } = await store.load();
          assert.deepEqual(new Map(factors.map((factor) => [factor.client, factor.spent])), highest);
          await store.close();
        }),
        { numRuns: 25 },
      );
    });
  });
}

function isOwner(factor: FactorOwner & FactorState, owner: FactorOwner): boolean {
  return factor.door === owner.door && factor.client === owner.client && factor.keyId === owner.keyId;
}
