import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { factorLedger } from '../../../../client/factors/factor-ledger.ts';
import type { KnockEvent } from '../../../../client/knock/knock-events.ts';
import type { Families, KnockRequest } from '../../../../client/knock/knock-request.ts';
import { knock } from '../../../../client/knock/knock-run.ts';
import { KnockError } from '../../../../shared/errors.ts';
import type { Profile } from '../../../../shared/formats/profile-uri.ts';
import { timeStepAt } from '../../../../shared/moving-factor.ts';
import {
  inHome,
  TEN_SECONDS_IN,
  testDeps,
  testProfile,
  testWorld,
  type World,
} from '../../../support/client/client-deps.ts';

const T = timeStepAt(TEN_SECONDS_IN, 30);

interface Options {
  readonly profile?: Partial<Profile>;
  readonly families?: Families;
  readonly verifyPort?: number | undefined;
  readonly timeoutMs?: number;
  readonly used?: readonly number[];
}

function run(world: World, options: Options = {}) {
  return inHome(async (home) => {
    const { deps } = testDeps(world, home);
    const ledger = factorLedger(join(home, 'spent'), deps.owner);
    for (const factor of options.used ?? []) assert.ok(await ledger.reserve(factor));
    const events: KnockEvent[] = [];
    const request: KnockRequest = {
      profile: testProfile(options.profile),
      secret: async () => testProfile().secret,
      name: 'bastion1',
      target: '192.0.2.1',
      families: options.families ?? 'any',
      verifyPort: 'verifyPort' in options ? options.verifyPort : 22,
      timeoutMs: options.timeoutMs ?? 60_000,
    };
    const results = await knock(request, ledger, deps, (event) => events.push(event));
    return { results, events, last: await ledger.last() };
  });
}

function codeOf(result: unknown): string {
  assert.ok(result instanceof KnockError);
  return result.code;
}

test('when the door opens at once then one factor is used and sent once', async () => {
  const world = testWorld();
  const { results, last } = await run(world);
  assert.equal(world.sent.length, 1);
  assert.equal(last, T);
  assert.ok(!(results[0] instanceof KnockError) && results[0]?.socket !== undefined);
});

test('when the first packets are lost then the same sequence is sent again', async () => {
  const world = testWorld({ opensAfterPasses: 3 });
  const { last } = await run(world);
  assert.equal(world.sent.length, 3);
  assert.equal(new Set(world.sent).size, 1);
  assert.equal(last, T);
});

test('when one sequence does not open then the next factor does', async () => {
  const world = testWorld({ opensAfterPasses: 6 });
  const { results, last } = await run(world);
  assert.equal(last, T + 1);
  assert.ok(!(results[0] instanceof KnockError));
  assert.equal(new Set(world.sent).size, 2);
});

test('when nothing opens then two factors are spent and the error is DOOR_CLOSED', async () => {
  const world = testWorld({ opensAfterPasses: 1e9 });
  const { results, last } = await run(world);
  assert.equal(codeOf(results[0]), 'DOOR_CLOSED');
  assert.equal(last, T + 1);
});

test('when the port is refused then the error says so', async () => {
  const { results } = await run(testWorld({ opensAfterPasses: 1e9, refuses: true }));
  assert.match((results[0] as KnockError).message, /refuses tcp\/22/);
});

test('when this step and the next are used then it counts down to the moment the window allows', async () => {
  const world = testWorld();
  const { results, events, last } = await run(world, { used: [T, T + 1] });
  assert.ok(!(results[0] instanceof KnockError));
  assert.equal(last, T + 2);
  assert.equal(world.wallMs >= (T + 1) * 30_000, true);
  assert.equal(events.filter(({ kind }) => kind === 'waiting').length, 20);
});

test('when an early step fails then the next one waits for its own time', async () => {
  const world = testWorld({ opensAfterPasses: 6 });
  const { last, results } = await run(world, { used: [T] });
  assert.ok(!(results[0] instanceof KnockError));
  assert.equal(last, T + 2);
  assert.ok(world.wallMs >= (T + 2) * 30_000);
});

test('when the wait is longer than the timeout then nothing is reserved or sent', async () => {
  const world = testWorld();
  const { results, last } = await run(world, { used: [T, T + 1], timeoutMs: 5000 });
  assert.equal(codeOf(results[0]), 'FACTOR_USED');
  assert.deepEqual([last, world.sent], [T + 1, []]);
});

test('when the last step used lies years ahead then the clock is suspected', async () => {
  const { results } = await run(testWorld(), { used: [T + 1e6] });
  assert.equal(codeOf(results[0]), 'FACTOR_USED');
  assert.match((results[0] as KnockError).message, /far ahead/);
});

test('when there is no route then no counter is burned', async () => {
  const world = testWorld({ routeErrors: new Map([['192.0.2.1', 'ENETUNREACH']]) });
  const { results, last } = await run(world, { profile: { mode: 'hotp', step: 0, window: 0 } });
  assert.deepEqual([codeOf(results[0]), last, world.sent], ['NETWORK', -1, []]);
});

test('when a firewall here refuses every packet then the error is NETWORK', async () => {
  const { results } = await run(testWorld({ sendFailure: 'EPERM' }));
  assert.equal(codeOf(results[0]), 'NETWORK');
  assert.match((results[0] as KnockError).hint ?? '', /firewall on this machine/);
});

test('when the first of two addresses stays shut then the second is knocked with another factor', async () => {
  const addresses = [
    { address: '2001:db8::1', family: 6 },
    { address: '192.0.2.1', family: 4 },
  ] as const;
  const world = testWorld({ addresses, opensAfterPasses: 6 });
  const { results } = await run(world);
  assert.ok(!(results[0] instanceof KnockError));
  assert.equal(results[0]?.address.family, 4);
  assert.equal(new Set(world.sent.map((line) => line.split(': ')[1])).size, 2);
});

test('when both families are asked for then each is knocked with a factor of its own', async () => {
  const addresses = [
    { address: '2001:db8::1', family: 6 },
    { address: '192.0.2.1', family: 4 },
  ] as const;
  const { results } = await run(testWorld({ addresses }), { families: 'both' });
  const factors = results.map((result) => (result instanceof KnockError ? result.code : result.factor));
  assert.deepEqual(factors, [T, T + 1]);
});

test('when nothing can be verified then the sequence is sent three times', async () => {
  const world = testWorld();
  const { results, last } = await run(world, { verifyPort: undefined });
  assert.equal(world.sent.length, 3);
  assert.equal(last, T);
  assert.ok(!(results[0] instanceof KnockError) && results[0]?.socket === undefined);
});
