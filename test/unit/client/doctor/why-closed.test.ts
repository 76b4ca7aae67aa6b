/**
 * A knock that opens nothing reports what the checks find, in bounded time, and contacts no host that it does not need.
 */
import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { run } from '../../../../client/cli/run.ts';
import type { Deps } from '../../../../client/deps.ts';
import type { Profile } from '../../../../shared/formats/profile-uri.ts';
import { inHome, testDeps, testUri, testWorld, type World } from '../../../support/client/client-deps.ts';
import { timeAnswer } from '../../../support/client/time-answer.ts';

const NEVER = Number.POSITIVE_INFINITY;

interface Ran {
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Milliseconds on the fake clock. */
  readonly elapsedMs: number;
}

/** Runs commands of one user: the same home, the same world. */
function person(home: string, world: World, change: (deps: Deps) => Deps = (deps) => deps) {
  return async (words: string, input = ''): Promise<Ran> => {
    world.stdin = input === '' ? '' : `${input}\n`;
    world.sent.length = 0;
    const { deps, outputs } = testDeps(world, home);
    const exit = await run(words.split(' '), change(deps));
    await new Promise(setImmediate);
    return { exit, ...outputs, elapsedMs: deps.clock.monotonicMs() };
  };
}

const chrony = (world: World) => {
  world.texts.set('/etc/chrony/chrony.conf', 'server 192.0.2.123\npool time.example iburst\n');
};
const clock = (aheadMs: number) => (world: World) => {
  chrony(world);
  world.timeAnswer = (question) => timeAnswer(question, world.wallMs, aheadMs);
};

interface Case {
  readonly title: string;
  readonly profile?: Partial<Profile>;
  /** Runs the rest after a knock that worked. */
  readonly prepare: (world: World, home: string) => void | Promise<void>;
  readonly says: RegExp | undefined;
  readonly hint: RegExp;
}

const HOTP = { mode: 'hotp', step: 0, window: 0 } as const;
const GENERAL = /hint: compare this clock with the server's/;

/** As if that many counters had been used in vain. */
async function usedUpTo(home: string, counter: number): Promise<void> {
  const spent = join(home, '.config/knock-otp/spent');
  const [folder = ''] = await readdir(spent);
  await writeFile(join(spent, folder, `${counter}`), '');
}

const CASES: readonly Case[] = [
  {
    title: 'the clock is 47 s behind',
    prepare: clock(47_000),
    says: /clock: 47\.0 s behind 192\.0\.2\.123 \(round trip 0 ms\)$/m,
    hint: /hint: the door accepts 30 s either way: set the clock.*; for more: knock-otp doctor work$/m,
  },
  { title: 'the clock is right', prepare: clock(20), says: /clock: 20 ms behind 192\.0\.2\.123/, hint: GENERAL },
  { title: 'no time server is set up', prepare: () => undefined, says: undefined, hint: GENERAL },
  { title: 'no time server answers', prepare: chrony, says: undefined, hint: GENERAL },
  {
    title: 'the clock was set back since the last knock that worked',
    prepare: (world) => {
      world.wallMs -= 7200_000;
    },
    says: undefined,
    hint: /far ahead of this clock/,
  },
  {
    title: 'the network bars high ports',
    prepare: (world) => {
      world.ports.set('192.0.2.1', 'unreachable');
    },
    says: /ports: 4 of 4 high ports: a router or firewall on the path reports it unreachable/,
    hint: /hint: this network blocks them: try another network/,
  },
  {
    title: 'the resolver gives another address',
    prepare: (world) => {
      world.addresses = [{ address: '192.0.2.9', family: 4 }];
    },
    says: /name: 192\.0\.2\.1 is 192\.0\.2\.9 now, and was 192\.0\.2\.1 at the last knock that worked/,
    hint: /hint: did the server move, .*; compare this clock/,
  },
  {
    title: 'the machine is in another network',
    prepare: (world) => {
      world.ownIpv4 = '10.1.2.3';
    },
    says: /network: this machine is 10\.1\.2\.3 now, and was 198\.51\.100\.7 at the last knock that worked/,
    hint: /hint: this network may block high ports; to find out: knock-otp doctor work --echo HOST; compare/,
  },
  {
    title: 'a few counters were used in vain',
    profile: HOTP,
    prepare: () => undefined,
    says: /counters: 2 counters, 1 to 2, were used since the last knock that worked; the server's look-ahead window is 10 unless/,
    hint: /hint: check that the server knows this client/,
  },
  {
    title: 'the look-ahead is nearly used up',
    profile: HOTP,
    prepare: (_, home) => usedUpTo(home, 8),
    says: /counters: 10 counters, 1 to 10, were used/,
    hint: /hint: the server accepts 1 more: find the reason before you knock again; check that/,
  },
  {
    title: 'the look-ahead is used up',
    profile: HOTP,
    prepare: (_, home) => usedUpTo(home, 9),
    says: /counters: 11 counters, 1 to 11, were used/,
    hint: /hint: the server rejects the next counter: enroll this client again/,
  },
];

for (const { title, profile, prepare, says, hint } of CASES) {
  test(`a knock that opens nothing: ${title}`, async () => {
    await inHome(async (home) => {
      const world = testWorld();
      const play = person(home, world);
      assert.equal((await play('add - --as work', testUri(profile))).exit, 0);
      assert.equal((await play('work')).exit, 0);
      world.wallMs += 300_000;
      world.opensAfterPasses = NEVER;
      await prepare(world, home);
      const { exit, stderr } = await play('work');
      assert.equal(exit, 1);
      const found = stderr.split('\n').filter((line) => /^knock-otp: (clock|counters|name|network|ports): /.test(line));
      if (says === undefined) assert.deepEqual(found, []);
      else assert.match(found.join('\n'), says);
      assert.match(stderr, hint);
    });
  });
}

test('nobody is asked for the time but the servers that this host is set up to use', async () => {
  await inHome(async (home) => {
    const world = testWorld({ opensAfterPasses: NEVER });
    const asked: string[] = [];
    const play = person(home, world, (deps) => ({
      ...deps,
      network: {
        ...deps.network,
        exchange: async ({ address }) => {
          asked.push(address);
          return undefined;
        },
      },
    }));
    await play('add - --as work', testUri());
    await play('work');
    assert.deepEqual(asked, []);
    world.texts.set('/etc/chrony/chrony.conf', 'server 192.0.2.123\n');
    world.wallMs += 300_000;
    await play('work');
    assert.equal(asked.length, 1);
  });
});

test('a time server that never answers costs a second and a half at most, and under --proxy less than one', async () => {
  await inHome(async (home) => {
    const world = testWorld({ opensAfterPasses: NEVER });
    chrony(world);
    const play = person(home, world, (deps) => ({
      ...deps,
      network: {
        ...deps.network,
        exchange: () => new Promise(() => undefined),
        tryPort: () => new Promise(() => undefined),
      },
    }));
    await play('add - --as work', testUri());
    const usual = await play('work --timeout 3');
    assert.equal(usual.exit, 1);
    assert(usual.elapsedMs >= 3000 && usual.elapsedMs <= 4600, `${usual.elapsedMs}`);
    world.wallMs += 300_000;
    const proxied = await play('--proxy work 22 --timeout 3');
    assert.equal(proxied.exit, 1);
    assert(proxied.elapsedMs >= 3000 && proxied.elapsedMs <= 4000, `${proxied.elapsedMs}`);
  });
});

test('programs get what was found as fields, and of several hosts each has its own', async () => {
  await inHome(async (home) => {
    const world = testWorld({ opensAfterPasses: NEVER });
    clock(-47_000)(world);
    const play = person(home, world);
    await play('add - --as work', testUri());
    await play('add - --as home', testUri({ server: 'other' }));
    const one = JSON.parse((await play('work --json')).stdout);
    assert.deepEqual(
      one.errors.map((each: { findings: readonly { check: string }[] }) => each.findings.map(({ check }) => check)),
      [['clock']],
    );
    assert.match(one.errors[0].findings[0].message, /^47\.0 s ahead of/);
    world.wallMs += 300_000;
    const all = JSON.parse((await play('work home --all --json')).stdout);
    for (const { errors } of all.hosts) assert.match(errors[0].findings[0].message, /^47\.0 s ahead of/);
    world.wallMs += 300_000;
    const { stderr } = await play('work home');
    assert.equal(stderr.split('\n').filter((line) => line.startsWith('knock-otp: clock: 47.0 s')).length, 2);
  });
});

test('a host that is given up because another one opened is not looked at', async () => {
  await inHome(async (home) => {
    const world = testWorld({ opensAfterPasses: 2 });
    clock(-47_000)(world);
    const play = person(home, world);
    await play('add - --as work', testUri());
    await play('add - --as home', testUri({ server: 'other' }));
    const { exit, stderr } = await play('work home');
    assert.equal(exit, 0);
    assert.equal(stderr, '');
  });
});
