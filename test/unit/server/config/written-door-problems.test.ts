/** The problems and warnings of doors with written-down sequences, among them values that knockd accepts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatProblem } from '../../../../shared/errors.ts';
import { doorText, readText } from '../../../support/core/config-text.ts';

const COMMAND = 'command = /bin/open %IP%';

/** Lines of a door, and their one problem. knockd accepts those with `knockd` in the reason. */
const bad: readonly { lines: string[]; key: string; says: RegExp; why: string }[] = [
  { lines: ['sequence = abc'], key: 'sequence', says: /knock 1 is not a port/, why: 'knockd reads 0' },
  { lines: ['sequence = 7000,-5'], key: 'sequence', says: /knock 2/, why: 'knockd reads 65531' },
  { lines: ['sequence = 7003x'], key: 'sequence', says: /knock 1/, why: 'knockd reads 7003' },
  { lines: ['sequence = "7000"'], key: 'sequence', says: /knock 1/, why: 'knockd reads 0' },
  {
    lines: ['sequence = 7000 # ssh'],
    key: 'sequence',
    says: /knock 1/,
    why: 'knockd reads 7000; comments stand alone',
  },
  { lines: ['sequence = 7000 8000'], key: 'sequence', says: /knock 1/, why: 'knockd reads one knock' },
  { lines: ['sequence = 0,7000'], key: 'sequence', says: /knock 1/, why: 'knockd takes port 0' },
  { lines: ['sequence = 7000,'], key: 'sequence', says: /knock 2/, why: 'knockd adds port 0' },
  { lines: ['sequence = 70000'], key: 'sequence', says: /knock 1/, why: 'no such port' },
  { lines: ['sequence = 7000:icmp'], key: 'sequence', says: /knock 1/, why: 'no such protocol' },
  { lines: ['sequence ='], key: 'sequence', says: /empty/, why: 'nothing' },
  { lines: [`sequence = ${'7,'.repeat(32)}7`], key: 'sequence', says: /more than 32/, why: "above knockd's limit" },
  { lines: ['sequence = 1,2', 'otp = totp'], key: 'sequence', says: /already has otp/, why: 'one source' },
  {
    lines: ['sequence = 1,2', 'one_time_sequences = /x'],
    key: 'one_time_sequences',
    says: /already has sequence/,
    why: 'knockd takes the later line',
  },
  {
    lines: ['one_time_sequences = x'],
    key: 'one_time_sequences',
    says: /absolute/,
    why: 'the daemon leaves its place',
  },
  { lines: ['one_time_sequences = /x', 'look_ahead = 0'], key: 'look_ahead', says: /live/, why: 'nothing would open' },
  { lines: ['sequence = 1,2', 'tcpflags = ece'], key: 'tcpflags', says: /"ece" is not a TCP flag/, why: 'knockd too' },
  { lines: ['sequence = 1,2', 'tcpflags ='], key: 'tcpflags', says: /empty/, why: 'knockd too' },
  { lines: ['sequence = 1,2', 'tcpflags = syn,!syn'], key: 'tcpflags', says: /both/, why: 'no such packet' },
  { lines: ['otp = totp', 'tcpflags = fin'], key: 'tcpflags', says: /SYNs/, why: 'no client of ours sends that' },
  {
    lines: ['sequence = 1,2', 'seq_timeout = 0'],
    key: 'seq_timeout',
    says: /not from 1/,
    why: 'knockd never opens then',
  },
  { lines: ['sequence = 1,2', 'seq_timeout = abc'], key: 'seq_timeout', says: /whole number/, why: 'knockd reads 0' },
  { lines: ['sequence = 1,2', 'cmd_timeout = -1'], key: 'cmd_timeout', says: /whole number/, why: 'knockd reads -1' },
  { lines: ['sequence = 1,2', 'target = host.example'], key: 'target', says: /not an IP/, why: 'a name may change' },
  {
    lines: ['sequence = 1,2', 'run_as = -u'],
    key: 'run_as',
    says: /not the name of a user/,
    why: 'an option to tools',
  },
];

for (const { lines, key, says, why } of bad) {
  test(`when a door says ${JSON.stringify(lines).slice(0, 60)} then that is the one problem (${why})`, () => {
    const { problems } = readText(`[ssh]\n${COMMAND}\n${lines.join('\n')}\n`);
    assert.deepEqual(
      problems.map((problem) => problem.key),
      [key],
      problems.map((problem) => formatProblem(problem)).join('\n'),
    );
    assert.match(problems[0]?.message ?? '', says);
  });
}

const shells: readonly { command: string; needs: string }[] = [
  { command: '/bin/echo "SSHD: %IP%" >> /etc/hosts.allow', needs: '>>' },
  { command: 'a %IP% && b', needs: '&&' },
  { command: 'a %IP%; b', needs: ';' },
  { command: 'a $HOME %IP%', needs: '$' },
  { command: 'a `id` %IP%', needs: '`' },
  { command: 'a %IP% *.conf', needs: '*' },
  { command: 'a %IP% | b > c', needs: '| >' },
];

for (const { command, needs } of shells) {
  test(`when a command has ${needs} then the problem says so, and shell = yes is the way out`, () => {
    const { problems } = readText(doorText('ssh', 'sequence = 7,9,8', `command = ${command}`));
    assert.deepEqual(
      problems.map(({ key, message, hint }) => [key, message, /^shell = yes/.test(hint ?? '')]),
      [['command', `commands run without a shell, and ${needs} needs one`, true]],
    );
    assert.deepEqual(readText(doorText('ssh', 'sequence = 7,9,8', `command = ${command}`, 'shell = yes')).problems, []);
  });
}

test('when a quote is not closed then the problem does not repeat the command', () => {
  const { problems } = readText(doorText('ssh', 'sequence = 7,9,8', "command = login --password 'hunter2 %IP%"));
  assert.match(problems[0]?.message ?? '', /split into words/);
  assert.doesNotMatch(JSON.stringify(problems), /hunter2/);
});

test('when keys of otp doors stand at a written-down one then it is said that they mean nothing', () => {
  const { warnings } = readText(doorText('ssh', 'sequence = 7,9,8', 'tcpflags = syn', 'knocks = 4', 'window = 2'));
  assert.deepEqual(
    warnings.map(({ key }) => key),
    ['knocks', 'window'],
  );
});

test("when a door of knockd's kind has a name of knockd's kind then it is taken, and an otp door's is not", () => {
  assert.deepEqual(readText(`[open SSH!]\nsequence = 7,9,8\n${COMMAND}\n`).problems, []);
  assert.match(readText(`[open SSH!]\notp = totp\n${COMMAND}\n`).problems[0]?.message ?? '', /not a door name/);
  assert.match(readText(`[öffne]\nsequence = 7,9,8\n${COMMAND}\n`).problems[0]?.message ?? '', /not a door name/);
});

test('when two doors have one file of sequences then the second is told so', () => {
  const door = (name: string): string => doorText(name, 'one_time_sequences = /etc/knockd/list', COMMAND);
  const { problems } = readText(door('a') + door('b'));
  assert.deepEqual(
    problems.map((problem) => formatProblem(problem)),
    ['4: [b] one_time_sequences: the file already belongs to door [a] at line 1 (hint: give each door its own file)'],
  );
});
