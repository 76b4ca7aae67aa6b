/** `knock-otp doctor`: it finds each kind of fault, names it, and says what to do. */
import assert from 'node:assert/strict';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { run } from '../../../../client/cli/run.ts';
import type { Finding } from '../../../../client/doctor/finding.ts';
import { readTimeAnswer, timeQuestion } from '../../../../client/doctor/sntp.ts';
import { timeServers } from '../../../../client/doctor/time-servers.ts';
import { parsePortRanges } from '../../../../shared/allowed-ports.ts';
import type { Profile } from '../../../../shared/formats/profile-uri.ts';
import {
  inHome,
  TEN_SECONDS_IN,
  testDeps,
  testUri,
  testWorld,
  type World,
} from '../../../support/client/client-deps.ts';
import { timeAnswer } from '../../../support/client/time-answer.ts';

interface Case {
  readonly title: string;
  readonly profile?: Partial<Profile>;
  readonly options?: string;
  readonly prepare: (world: World, home: string) => void | Promise<void>;
  readonly check: Finding['check'];
  readonly level: Finding['level'];
  readonly says: RegExp;
}

const profileFile = (home: string) => join(home, '.config/knock-otp/profiles/work@ssh.profile');
const chrony = (world: World) => {
  world.texts.set('/etc/chrony/chrony.conf', 'pool time.example iburst\n');
};
const clock = (aheadMs: number) => (world: World) => {
  chrony(world);
  world.timeAnswer = (question) => timeAnswer(question, world.wallMs, aheadMs);
};

const CASES: readonly Case[] = [
  { title: 'the clock is right', prepare: clock(20), check: 'clock', level: 'ok', says: /^20 ms behind time\.example/ },
  {
    title: 'the clock is a little off',
    prepare: clock(-12_000),
    check: 'clock',
    level: 'warn',
    says: /^12\.0 s ahead of/,
  },
  { title: 'the clock is off', prepare: clock(3600_000), check: 'clock', level: 'fail', says: /^3600\.0 s behind/ },
  {
    title: 'the time server is silent',
    prepare: chrony,
    check: 'clock',
    level: 'warn',
    says: /no time server answered/,
  },
  {
    title: 'no time server is set up',
    prepare: () => {},
    check: 'clock',
    level: 'warn',
    says: /has no time server configured/,
  },
  {
    title: 'the user names a time server',
    options: '--ntp t.example',
    prepare: (world) => {
      world.timeAnswer = (question) => timeAnswer(question, world.wallMs, 0);
    },
    check: 'clock',
    level: 'ok',
    says: /t\.example/,
  },
  {
    title: 'the door counts',
    profile: { mode: 'hotp', step: 0, window: 0 },
    prepare: clock(3600_000),
    check: 'clock',
    level: 'ok',
    says: /needs no clock/,
  },
  {
    title: 'others can read the profile',
    prepare: (_, home) => chmod(profileFile(home), 0o644),
    check: 'profile',
    level: 'fail',
    says: /can be read by others/,
  },
  {
    title: 'the profile is damaged',
    prepare: (_, home) => writeFile(profileFile(home), 'otpauth://x\n'),
    check: 'profile',
    level: 'fail',
    says: /bad profile URI/,
  },
  {
    title: 'there is no route',
    prepare: (world) => {
      world.routeErrors = new Map([['192.0.2.1', 'ENETUNREACH']]);
    },
    check: 'route',
    level: 'fail',
    says: /none to 192\.0\.2\.1 .*ENETUNREACH/,
  },
  {
    title: 'one family has no route',
    prepare: (world) => {
      world.addresses = [
        { address: '2001:db8::1', family: 6 },
        { address: '192.0.2.1', family: 4 },
      ];
      world.routeErrors = new Map([['2001:db8::1', 'ENETUNREACH']]);
    },
    check: 'route',
    level: 'warn',
    says: /none to 2001:db8::1/,
  },
  {
    title: 'the door is open',
    prepare: (world) => {
      world.ports.set('192.0.2.1:22', 'open');
    },
    check: 'door',
    level: 'ok',
    says: /is open now/,
  },
  {
    title: 'the hidden port refuses',
    prepare: (world) => {
      world.ports.set('192.0.2.1:22', 'refused');
    },
    check: 'door',
    level: 'warn',
    says: /refuses connections/,
  },
  {
    title: 'the path says no to the hidden port',
    prepare: (world) => {
      world.ports.set('192.0.2.1:22', 'unreachable');
    },
    check: 'door',
    level: 'fail',
    says: /ICMP/,
  },
  {
    title: 'the network prohibits high ports',
    prepare: (world) => {
      world.ports.set('192.0.2.1', 'unreachable');
    },
    check: 'ports',
    level: 'fail',
    says: /8 of 8 high ports: .*ICMP/,
  },
  {
    title: 'the network resets some ports',
    profile: { range: parsePortRanges('5000-5007'), exclude: [] },
    prepare: (world) => {
      world.ports.set('192.0.2.1:5003', 'refused');
    },
    check: 'ports',
    level: 'warn',
    says: /1 of 8 high ports answer with a reset and the others do not: 5003/,
  },
  {
    title: 'everything is silent',
    prepare: () => {},
    check: 'ports',
    level: 'ok',
    says: /a filter that drops packets looks the same/,
  },
  {
    title: 'another host of the user is reached',
    options: '--echo mine.example',
    prepare: (world) => {
      world.ports.set('192.0.2.1', 'refused');
    },
    check: 'echo',
    level: 'ok',
    says: /^8 of 8 high ports of mine\.example answer/,
  },
  {
    title: 'another host of the user is not reached',
    options: '--echo mine.example',
    prepare: () => {},
    check: 'echo',
    level: 'fail',
    says: /^0 of 8 high ports of mine\.example answer, but not/,
  },
];

/** The findings of the doctor in a world with a profile "work". */
async function examined(
  home: string,
  world: World,
  { profile = {}, options = '', prepare }: Pick<Case, 'profile' | 'options' | 'prepare'>,
): Promise<{ exit: number; findings: readonly Finding[] }> {
  world.stdin = `${testUri(profile)}\n`;
  const added = testDeps(world, home);
  assert.equal(await run(['add', '-', '--as', 'work'], added.deps), 0, added.outputs.stderr);
  await prepare(world, home);
  const { deps, outputs } = testDeps(world, home);
  const exit = await run(['doctor', 'work', '--json', ...options.split(' ').filter(Boolean)], deps);
  await new Promise(setImmediate);
  return { exit, findings: (JSON.parse(outputs.stdout) as { findings: Finding[] }).findings };
}

for (const { title, check, level, says, ...more } of CASES) {
  test(`when ${title} then the doctor says ${level} of the ${check}`, async () => {
    await inHome(async (home) => {
      const { exit, findings } = await examined(home, testWorld(), more);
      const found = findings.find((each) => each.check === check && says.test(each.message));
      assert.ok(found, JSON.stringify(findings, undefined, 1));
      assert.equal(found.level, level);
      assert.equal(exit, findings.some((each) => each.level === 'fail') ? 1 : 0);
      for (const each of findings) assert.equal(each.level === 'ok', each.hint === undefined, each.message);
    });
  });
}

test('when the resolver gives another address than at the last success, and the clock was set back, then both are said', async () => {
  await inHome(async (home) => {
    const world = testWorld();
    const { findings } = await examined(home, world, {
      prepare: async () => {
        assert.equal(await run(['work'], testDeps(world, home).deps), 0);
        world.addresses = [{ address: '198.51.100.1', family: 4 }];
        world.wallMs -= 600_000;
      },
    });
    const said = findings.map(({ check, level, message }) => `${level} ${check}: ${message}`).join('\n');
    assert.match(said, /^warn name: .*198\.51\.100\.1 now, and was 192\.0\.2\.1/m);
    assert.match(said, /^fail clock: [56][0-9]{2} s before the last knock that worked/m);
  });
});

test('when the doctor has looked then no factor is spent and nothing was sent', async () => {
  await inHome(async (home) => {
    const world = testWorld();
    const { findings } = await examined(home, world, { prepare: () => {} });
    assert.deepEqual(world.sent, []);
    assert.match(findings.find(({ check }) => check === 'factors')?.message ?? '', /is next and can be used now/);
  });
});

test('whatever comes back from a time server, reading it never throws, and a forged answer does not count', () => {
  const cookie = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      const read = readTimeAnswer(bytes, cookie, 0, 10);
      const isOurs = bytes.length >= 48 && cookie.every((byte, at) => bytes[24 + at] === byte);
      assert.ok(!read.ok || isOurs);
    }),
  );
  const good = timeAnswer(timeQuestion(cookie), TEN_SECONDS_IN, 5000);
  const read = readTimeAnswer(good, cookie, TEN_SECONDS_IN - 10, TEN_SECONDS_IN + 10);
  assert.ok(read.ok && Math.abs(read.aheadMs - 5000) < 1 && read.delayMs === 20);
  const rows = [
    [0, 0b11_100_100, /not set/],
    [0, 0b00_100_011, /not in server mode/],
    [1, 0, /refuses to serve/],
    [1, 16, /not set/],
    [24, 9, /does not match the question/],
  ] as const;
  for (const [at, byte, why] of rows) {
    const refused = readTimeAnswer(
      good.map((old, index) => (index === at ? byte : old)),
      cookie,
      0,
      0,
    );
    assert.ok(!refused.ok && why.test(refused.reason));
  }
});

test('when NTP comes round in 2036 then times on both sides of it are read', () => {
  const cookie = new Uint8Array(8);
  for (const nowMs of [Date.UTC(2036, 1, 7, 6, 28, 10), Date.UTC(2036, 1, 7, 6, 28, 20), Date.UTC(2100, 0, 1)]) {
    const read = readTimeAnswer(timeAnswer(timeQuestion(cookie), nowMs, -8000), cookie, nowMs, nowMs);
    assert.ok(read.ok && Math.abs(read.aheadMs + 8000) < 1);
  }
});

test('the time servers are those of the files of chrony, ntpd and timesyncd, three at most, each once', () => {
  assert.deepEqual(timeServers(['# server no.example\npool 2.debian.pool.ntp.org iburst\nserver -4 a.example\n']), [
    '2.debian.pool.ntp.org',
    'a.example',
  ]);
  assert.deepEqual(
    timeServers(['[Time]\n#NTP=\nNTP=b.example 192.0.2.5\n', 'server b.example\npeer 2001:db8::5\nserver d.example']),
    ['b.example', '192.0.2.5', '2001:db8::5'],
  );
  assert.deepEqual(timeServers(['refclock PHC /dev/ptp0\nserver\nserver $(id)\nserver -x\n', '']), []);
});
