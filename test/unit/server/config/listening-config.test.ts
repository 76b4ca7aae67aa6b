/** What `capture = listen` accepts and refuses: a door must hide among its listening ports. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listenedDoors } from '../../../../server/config/capture-scope.ts';
import { crowdProblem } from '../../../../server/config/listening-config.ts';
import { doorBudget } from '../../../../server/config/stray-budget.ts';
import { formatProblem } from '../../../../shared/errors.ts';
import { isGuessable, log10OpeningsPerDay, TOLERATED_OPENINGS_PER_DAY } from '../../../../shared/odds.ts';
import { derivedDoor, doorText, type ReadText, readText } from '../../../support/core/config-text.ts';

const COMMAND = 'start_command = /bin/open %IP%';

function listening(lines: readonly string[], ...options: string[]): ReadText {
  const head = ['[options]', 'capture = listen', ...options, ''].join('\n');
  return readText(`${head}${doorText('box', COMMAND, ...lines)}`);
}

test('when a totp door has knocks enough then it listens everywhere, with 512 ports for each step', () => {
  const { config, problems, warnings } = listening(['knocks = 10']);
  assert.deepEqual([...problems, ...warnings], []);
  assert.equal(config.capture, 'listen');
  assert.deepEqual(config.interfaces, ['any'], 'and not at the interface of the default route alone');
  const [door] = listenedDoors(config.doors);
  assert.deepEqual([door?.name, door?.size, door?.protocols, door?.stepMs], ['box', 512, 'tcp', 30_000]);
});

test('when nothing listens then doors are what they were', () => {
  const { config, warnings } = readText(`[options]\nlisten_ports = 512\n${doorText('ssh')}`);
  assert.deepEqual(listenedDoors(config.doors), []);
  assert.equal(derivedDoor(config).listenPorts, undefined);
  assert.match(warnings.map((warning) => formatProblem(warning)).join(), /listen_ports: the key has no effect/);
});

const refused: readonly { why: string; lines: string[]; options?: string[]; says: RegExp }[] = [
  {
    why: 'chosen ports show',
    lines: ['sequence = 7000,8000,9000,6500', 'tcpflags = syn'],
    says: /^5: \[box\] sequence: a fixed sequence never changes/,
  },
  {
    why: 'lines stay live',
    lines: ['one_time_sequences = /etc/lines', 'tcpflags = syn'],
    says: /^5: \[box\] one_time_sequences: a line stays live/,
  },
  {
    why: 'counters stay live',
    lines: ['otp = hotp', 'knocks = 10'],
    says: /^5: \[box\] otp: a counter stays live/,
  },
  { why: 'accepting has no order', lines: ['knocks = 12', 'order = strict'], says: /^7: \[box\] order: / },
  { why: 'a second part is unknown', lines: ['knocks = 10', 'bind = source'], says: /^7: \[box\] bind: / },
  { why: 'it is another host', lines: ['knocks = 10', 'target = 192.0.2.7'], says: /^7: \[box\] target: / },
  {
    why: 'six of 512 are few',
    lines: [],
    says: /^3: \[box\] knocks: 6 of 512 listening ports are 44\.4 bits of entropy, fewer than 48 .*knocks = 8 or more/,
  },
  {
    why: 'and no wish helps',
    lines: ['allow_low_entropy', 'knocks = 6'],
    says: /^7: \[box\] knocks: 6 of 512 listening ports/,
  },
  {
    why: 'bits alone are not the odds',
    lines: ['knocks = 7'],
    says: /^6: \[box\] knocks: its sequences can be guessed among 512 listening ports.*knocks = 8/,
  },
  {
    why: 'few ports',
    lines: ['knocks = 10', 'port_range = 2000-2400'],
    says: /^7: \[box\] port_range: 401 ports are fewer/,
  },
  {
    why: 'it listens everywhere',
    lines: ['knocks = 10'],
    options: ['interface = eth0'],
    says: /^3: \[options\] interface: /,
  },
];

for (const { why, lines, options = [], says } of refused) {
  test(`when a door cannot hide (${why}) then it is refused with its place: ${lines.join(', ') || 'the defaults'}`, () => {
    const { problems } = listening(lines, ...options);
    assert.equal(problems.length, 1);
    assert.match(problems.map((problem) => formatProblem(problem)).join('\n'), says);
  });
}

test('when more ports listen then fewer knocks do', () => {
  assert.deepEqual(listening([], 'listen_ports = 2048').problems, []);
});

test('when a range begins below 1024 then the right that it may take is said', () => {
  const { problems, warnings } = listening(['knocks = 10', 'port_range = 1-65535']);
  assert.deepEqual(problems, []);
  assert.match(
    warnings.map((warning) => formatProblem(warning)).join(),
    /port_range.*no right to bind ports below 1024/,
  );
});

test('when clients become too many for the crowd then the door is shut rather than guessed', () => {
  const door = derivedDoor(listening(['knocks = 8']).config);
  assert.equal(crowdProblem(door, 1), undefined);
  assert.ok(doorBudget(door, 1).maxStrays >= 0);
  const many = 64;
  const problem = crowdProblem(door, many);
  assert.match(problem?.message ?? '', /the sequences of 64 clients can be guessed among 512 listening ports/);
  assert.match(problem?.hint ?? '', /^knocks = 9 or more/);
  assert.equal(doorBudget(door, many).maxStrays, -1);
  assert.equal(doorBudget(door, many).log10OpeningsPerDay, Number.NEGATIVE_INFINITY);
});

test('when strays are budgeted then the universe is what listens, and the sender knows it', () => {
  const budget = doorBudget(derivedDoor(listening(['knocks = 10']).config), 1);
  assert.equal(budget.pairs, 512);
  assert.ok(10 ** budget.log10OpeningsPerDay <= TOLERATED_OPENINGS_PER_DAY);
  assert.equal(budget.maxStrays, 6);
  // C(512, 10), computed exactly.
  let sets = 1n;
  for (let i = 0n; i < 10n; i += 1n) sets = (sets * (512n - i)) / (i + 1n);
  assert.ok(Math.abs(2 ** budget.bits - Number(sets)) < Number(sets) * 1e-9);
});

test('when knocks may be of both protocols then each is worth one bit more, though all ports listen on both', () => {
  const [tcp, both] = ['tcp', 'both'].map((protocols) =>
    doorBudget(derivedDoor(listening(['knocks = 10', `protocols = ${protocols}`]).config), 1),
  );
  assert.ok(Math.abs((both?.bits ?? 0) - (tcp?.bits ?? 0) - 10) < 1e-9);
});

test('when a sender knows the pairs then his odds are never below those of one who draws at random', () => {
  for (const pairs of [20, 100, 60_000]) {
    for (const strays of [0, 3, 40]) {
      const odds = { knocks: 4, pairs, liveSequences: 2, anyOrder: true };
      const bits = Math.log2((pairs * (pairs - 1) * (pairs - 2) * (pairs - 3)) / 24);
      assert.ok(log10OpeningsPerDay({ ...odds, bits }, strays) >= log10OpeningsPerDay(odds, strays));
    }
  }
  assert.equal(isGuessable({ knocks: 4, pairs: 20, liveSequences: 0, anyOrder: true, bits: 10 }), false);
});
