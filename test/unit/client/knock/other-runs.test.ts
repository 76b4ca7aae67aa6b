/** Several runs at one door: one knocks and the others wait; an open door gets no knock; hosts get a head start. */
import assert from 'node:assert/strict';
import { mkdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Deps } from '../../../../client/deps.ts';
import { factorLedger } from '../../../../client/factors/factor-ledger.ts';
import { doorMemory } from '../../../../client/factors/last-success.ts';
import { doorLeases } from '../../../../client/knock/door-lease.ts';
import type { KnockEvent } from '../../../../client/knock/knock-events.ts';
import type { Opening } from '../../../../client/knock/knock-request.ts';
import { knock } from '../../../../client/knock/knock-run.ts';
import { progressLine, startProgress } from '../../../../client/knock/progress-line.ts';
import { KnockError } from '../../../../shared/errors.ts';
import { inHome, testDeps, testProfile, testWorld, type World } from '../../../support/client/client-deps.ts';

function runIn(home: string, deps: Deps, { mayShare = true, events = [] as KnockEvent[], timeoutMs = 60_000 } = {}) {
  const folder = join(home, 'spent');
  const otherRuns = {
    memory: doorMemory(folder, deps.owner),
    leases: doorLeases(folder, deps.owner, deps.clock),
    mayShare,
  };
  const request = {
    profile: testProfile(),
    secret: async () => testProfile().secret,
    name: 'bastion1',
    target: '192.0.2.1',
    families: 'any',
    verifyPort: 22,
    timeoutMs,
    otherRuns,
  } as const;
  return knock(request, factorLedger(folder, deps.owner), deps, (event) => events.push(event));
}

function opened(results: readonly (Opening | KnockError)[]): Opening {
  const [result] = results;
  assert.ok(result !== undefined && !(result instanceof KnockError), String(result));
  return result;
}

async function inWorld(world: World, body: (home: string, deps: Deps) => Promise<void>): Promise<void> {
  await inHome((home) => body(home, testDeps(world, home).deps));
}

/** Counts the probes from now on. */
function countProbes({ network }: Deps): () => number {
  const { probe } = network;
  let count = 0;
  network.probe = (...words) => {
    count += 1;
    return probe(...words);
  };
  return () => count;
}

test('when the door stands open from the last knock then no factor is spent', async () => {
  const world = testWorld();
  await inWorld(world, async (home, deps) => {
    assert.notEqual(opened(await runIn(home, deps)).factor, undefined);
    assert.equal(opened(await runIn(home, deps)).factor, undefined);
    assert.equal(world.sent.length, 1);
  });
});

test('when the door has closed since then a look comes before the knock, and the knock opens it', async () => {
  const world = testWorld();
  await inWorld(world, async (home, deps) => {
    opened(await runIn(home, deps));
    world.sent.length = 0;
    assert.notEqual(opened(await runIn(home, deps)).factor, undefined);
    assert.equal(world.sent.length, 1);
  });
});

test('when a door was never opened from here then nothing is lost on a look', async () => {
  const world = testWorld({ opensAfterPasses: 0 });
  await inWorld(world, async (home, deps) => {
    assert.notEqual(opened(await runIn(home, deps)).factor, undefined);
  });
});

test('when a door lets one connection in for each knock then an open port is knocked at all the same', async () => {
  const world = testWorld();
  await inWorld(world, async (home, deps) => {
    opened(await runIn(home, deps, { mayShare: false }));
    assert.notEqual(opened(await runIn(home, deps, { mayShare: false })).factor, undefined);
  });
});

test('when ten runs begin at once then one knocks and the others come in with it', async () => {
  const world = testWorld();
  await inWorld(world, async (home, deps) => {
    const events: KnockEvent[] = [];
    const connections = countProbes(deps);
    const all = await Promise.all(Array.from({ length: 10 }, () => runIn(home, deps, { events })));
    assert.equal(all.map(opened).filter(({ factor }) => factor !== undefined).length, 1);
    assert.equal(world.sent.length, 1);
    assert.ok(events.some(({ kind }) => kind === 'sharing'));
    assert.equal(connections(), 10, 'each run connects once: sshd refuses some when more than ten are not logged in');
  });
});

test('when another run has the turn then the port is left alone, until that one has come in', async () => {
  const world = testWorld({ opensAfterPasses: 0 });
  await inWorld(world, async (home, deps) => {
    const folder = join(home, 'spent');
    const lease = await doorLeases(folder, deps.owner, deps.clock).take(deps.clock.wallMs() + 3600_000);
    assert.ok(lease !== undefined);
    const connections = countProbes(deps);
    const [late] = await runIn(home, deps, { timeoutMs: 1000 });
    assert.ok(late instanceof KnockError && late.code === 'DOOR_CLOSED', String(late));
    assert.equal(connections(), 0);
    const events: KnockEvent[] = [];
    const waiting = runIn(home, deps, { events });
    while (events.length === 0) await new Promise(setImmediate);
    const success = { address: '192.0.2.1', port: 22, rttMs: 3, atMs: deps.clock.wallMs() };
    await doorMemory(folder, deps.owner).remember(success);
    assert.equal(opened(await waiting).factor, undefined);
    assert.deepEqual([connections(), world.sent.length], [1, 0]);
  });
});

test('when a killed run left its turn behind then it is lease over at once, by one', async () => {
  await inWorld(testWorld(), async (home, deps) => {
    const folder = join(home, 'spent');
    await mkdir(folder, { mode: 0o700 });
    // No process has this id: the highest one of Linux is 2^22.
    await writeFile(join(folder, 'turn'), `4999999 ${deps.clock.wallMs() + 60_000} x`);
    const leases = doorLeases(folder, deps.owner, deps.clock);
    const lease = await leases.take(deps.clock.wallMs() + 1000);
    assert.ok(lease !== undefined);
    assert.equal(await leases.take(deps.clock.wallMs() + 1000), undefined);
    await lease.release();
    assert.ok((await leases.take(deps.clock.wallMs() + 1000)) !== undefined);
  });
});

test('when a run was killed before it wrote whose turn it is then the turn is its own for a moment, and free after it', async () => {
  await inWorld(testWorld(), async (home, deps) => {
    const folder = join(home, 'spent');
    const file = join(folder, 'turn');
    const leases = doorLeases(folder, deps.owner, deps.clock);
    const untilMs = deps.clock.wallMs() + 60_000;
    const setMtime = (ms: number) => utimes(file, ms / 1000, ms / 1000);
    await mkdir(folder, { mode: 0o700 });
    await writeFile(file, '');
    await setMtime(deps.clock.wallMs() - 500);
    assert.equal(await leases.take(untilMs), undefined, 'it may be about to write');
    for (const ms of [-5_000, 3600_000]) {
      await writeFile(file, '');
      // One of the files is older than a clock that was set back.
      await setMtime(deps.clock.wallMs() + ms);
      const lease = await leases.take(untilMs);
      assert.ok(lease !== undefined, `${ms} ms`);
      assert.match(await readFile(file, 'utf8'), /^[0-9]+ /);
      await lease.release();
    }
  });
});

test('when the holder of a turn lives and its time is over then the turn is lease from it, and it does not release it', async () => {
  await inWorld(testWorld(), async (home, deps) => {
    const folder = join(home, 'spent');
    const leases = doorLeases(folder, deps.owner, deps.clock);
    const first = await leases.take(deps.clock.wallMs());
    const second = await leases.take(deps.clock.wallMs() + 1000);
    assert.ok(first !== undefined && second !== undefined);
    await first.release();
    assert.match(await readFile(join(folder, 'turn'), 'utf8'), /^[0-9]+ /);
  });
});

test('when the record of the last success is damaged then it counts as none', async () => {
  await inWorld(testWorld(), async (home, deps) => {
    const memory = doorMemory(home, deps.owner);
    for (const text of ['', '{', 'null', '[]', '{"address":1,"port":22,"rttMs":1,"atMs":1}', '{"address":"a"}']) {
      await writeFile(join(home, 'last-success'), text);
      assert.equal(await memory.last(), undefined, text);
    }
    const success = { address: '192.0.2.1', port: 22, rttMs: 3, atMs: 5 };
    await memory.remember(success);
    assert.deepEqual(await memory.last(), success);
  });
});

test('when the terminal is narrow then the line is cut before it wraps, and the bar goes first', () => {
  assert.equal(progressLine('12 s until work', 0.5, 80), '[##########..........] 12 s until work');
  assert.equal(progressLine('12 s until work', 0.5, 40), '12 s until work');
  assert.equal(progressLine('12 s until work', 0.5, 8), '12 s un');
  for (const columns of [0, 1, 2, 49, 50, 51]) {
    assert.ok(progressLine('x'.repeat(300), 1, columns).length <= Math.max(0, columns - 1));
  }
});

test('when standard error is no terminal, or a dumb one, then nothing is drawn', async () => {
  const written: string[] = [];
  const stderr = { write: (text: string) => written.push(text), columns: 80 };
  for (const [isTTY, env] of [
    [false, {}],
    [true, { TERM: 'dumb' }],
  ] as const) {
    const progress = startProgress('work', { ...stderr, isTTY } as never, env);
    progress.update({ kind: 'waiting', waitMs: 1000 });
    progress.stop();
  }
  assert.deepEqual(written, []);
});
