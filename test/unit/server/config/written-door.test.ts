/** Every key of knockd at doors with written-down sequences: its meaning, its default, and refused values. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { captureScopeOf } from '../../../../server/config/capture-scope.ts';
import type { WrittenDoor } from '../../../../server/config/config.ts';
import { TCP_ACK, TCP_SYN } from '../../../../server/core/door.ts';
import type { CommandAction } from '../../../../server/firewall/firewall.ts';
import { addressKey } from '../../../../shared/address.ts';
import { formatProblem } from '../../../../shared/errors.ts';
import { formatSequence } from '../../../../shared/knock.ts';
import { doorText, readText } from '../../../support/core/config-text.ts';

const COMMAND = 'command = /bin/open %IP%';
const FIN = 0x01;

function written(...lines: string[]): WrittenDoor {
  const { config, problems } = readText(`[ssh]\n${lines.join('\n')}\n`);
  assert.deepEqual(
    problems.map((problem) => formatProblem(problem)),
    [],
  );
  const [door] = config.doors;
  assert.ok(door !== undefined && door.kind !== 'derived');
  return door;
}

function action(...lines: string[]): CommandAction {
  const found = written('sequence = 7000', ...lines).action;
  assert.equal(found.kind, 'command');
  return found;
}

test("when a door has a sequence and a command then the rest are knockd's defaults", () => {
  assert.deepEqual(written('sequence = 7000,8000', COMMAND), {
    kind: 'static',
    name: 'ssh',
    policy: {
      name: 'ssh',
      mode: 'static',
      order: 'strict',
      lookAhead: 1,
      seqTimeoutMs: 25_000,
      grantMs: 10_000,
      tcpFlags: { set: 0, clear: 0 },
    },
    sequence: [
      { protocol: 'tcp', port: 7000 },
      { protocol: 'tcp', port: 8000 },
    ],
    action: { kind: 'command', start: '/bin/open %IP%' },
  });
});

test("when a door has a file then one line is live, as in knockd, and the door is the file's", () => {
  const door = written('one_time_sequences = /etc/knockd/smtp', COMMAND);
  assert.equal(door.kind, 'file');
  assert.equal(door.kind === 'file' && door.file, '/etc/knockd/smtp');
  assert.deepEqual([door.policy.mode, door.policy.lookAhead], ['file', 1]);
});

/** Lines of a door, and what they change. */
const keys: readonly { line: string; is: (door: WrittenDoor) => unknown; wants: unknown; why: string }[] = [
  { line: 'seq_timeout = 5', is: ({ policy }) => policy.seqTimeoutMs, wants: 5000, why: 'seconds' },
  { line: 'Timeout = 5', is: ({ policy }) => policy.seqTimeoutMs, wants: 5000, why: 'its alias' },
  { line: 'Cmd_Timeout = 3', is: ({ policy }) => policy.grantMs, wants: 3000, why: 'seconds, and keys have no case' },
  {
    line: 'target = 192.0.2.9',
    is: ({ policy }) => policy.target,
    wants: addressKey('192.0.2.9'),
    why: 'another host behind this one',
  },
  { line: 'max_strays = 4', is: ({ maxStraysLimit }) => maxStraysLimit, wants: 4, why: 'ours works here too' },
  { line: 'tcpflags = syn', is: ({ policy }) => policy.tcpFlags, wants: undefined, why: 'what openings are' },
  { line: 'tcpflags = syn,!ack', is: ({ policy }) => policy.tcpFlags, wants: undefined, why: 'the same in full' },
  {
    line: 'TCPFlags = SYN,ACK',
    is: ({ policy }) => policy.tcpFlags,
    wants: { set: TCP_SYN | TCP_ACK, clear: 0 },
    why: 'as asked for',
  },
  {
    line: 'tcpflags = fin, !ack',
    is: ({ policy }) => policy.tcpFlags,
    wants: { set: FIN, clear: TCP_ACK },
    why: "the manual's, and blanks do not count",
  },
  {
    line: 'tcpflags = !rst',
    is: ({ policy }) => policy.tcpFlags,
    wants: { set: 0, clear: 0x04 },
    why: 'only what must not be',
  },
  {
    line: 'tcpflags = psh,urg',
    is: ({ policy }) => policy.tcpFlags,
    wants: { set: 0x28, clear: 0 },
    why: 'all of knockd are known',
  },
];

for (const { line, is, wants, why } of keys) {
  test(`when a written-down door says ${line} then it counts (${why})`, () => {
    assert.deepEqual(is(written('sequence = 7000,8000', COMMAND, line)), wants);
  });
}

const sequences: readonly { value: string; reads: string; why: string }[] = [
  { value: '7000', reads: '7000', why: 'one port' },
  { value: '7000,8000:udp,9000:tcp', reads: '7000 8000:udp 9000', why: 'protocols' },
  { value: '7000, 8000 : UDP ,9000', reads: '7000 8000:udp 9000', why: 'blanks and case as in knockd' },
  { value: '7000,7000,8000', reads: '7000 7000 8000', why: 'a port may repeat' },
  { value: Array.from({ length: 32 }, (_, at) => at + 1).join(), reads: '32', why: "knockd's most" },
];

for (const { value, reads, why } of sequences) {
  test(`when the sequence is ${value.slice(0, 24)} then it is read as knockd does (${why})`, () => {
    const door = written(`sequence = ${value}`, COMMAND);
    assert.ok(door.kind === 'static');
    const found = formatSequence(door.sequence);
    assert.equal(reads === '32' ? `${door.sequence.length}` : found, reads);
  });
}

const commands: readonly { lines: string[]; wants: Omit<CommandAction, 'kind'>; why: string }[] = [
  { lines: ['start_command = a %IP%'], wants: { start: 'a %IP%' }, why: 'nothing closes it' },
  { lines: ['command = a %IP%', 'stop_command ='], wants: { start: 'a %IP%' }, why: 'empty is none' },
  {
    lines: ['command = a %IP%', 'stop_command = b %IP%', 'command_6 = c %IP%', 'stop_command_6 = d %IP%'],
    wants: { start: 'a %IP%', stop: 'b %IP%', start6: 'c %IP%', stop6: 'd %IP%' },
    why: 'both families',
  },
  {
    lines: ['command = a %IP%', 'start_command_6 =', 'stop_command_6 ='],
    wants: { start: 'a %IP%', start6: '', stop6: '' },
    why: 'empty does nothing for IPv6',
  },
  { lines: ['start_command_6 = a %IP%'], wants: { start: '', start6: 'a %IP%' }, why: 'IPv6 alone' },
  { lines: ['command = a %IP% | b', 'shell = yes'], wants: { start: 'a %IP% | b', shell: true }, why: 'asked for' },
  { lines: ['command = a %IP%', 'run_as = nobody'], wants: { start: 'a %IP%', runAs: 'nobody' }, why: 'less rights' },
  {
    lines: ["command = /usr/bin/perl -ni.bak -e 'print unless /SSHD: %IP%/' /etc/hosts.allow"],
    wants: { start: "/usr/bin/perl -ni.bak -e 'print unless /SSHD: %IP%/' /etc/hosts.allow" },
    why: "the article's, which needs no shell",
  },
];

for (const { lines, wants, why } of commands) {
  test(`when a door says ${JSON.stringify(lines)} then that is its action (${why})`, () => {
    assert.deepEqual(action(...lines), { kind: 'command', ...wants });
  });
}

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

test('when sequence is replaced by otp and nothing else then the door is sound', () => {
  const { problems } = readText(`[openSSH]
	otp         = totp
	seq_timeout = 5
	command     = /sbin/iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT
	tcpflags    = syn
`);
  assert.deepEqual(problems, []);
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

test('when no door has clients then a host name that is no id is no problem', () => {
  const { problems, config } = readText(doorText('ssh', 'sequence = 7,9,8', COMMAND), { hostname: 'my host' });
  assert.deepEqual(problems, []);
  assert.equal(config.serverId, 'knockd');
});

test('when two doors have one file of sequences then the second is told so', () => {
  const door = (name: string): string => doorText(name, 'one_time_sequences = /etc/knockd/list', COMMAND);
  const { problems } = readText(door('a') + door('b'));
  assert.deepEqual(
    problems.map((problem) => formatProblem(problem)),
    ['4: [b] one_time_sequences: the file already belongs to door [a] at line 1 (hint: give each door its own file)'],
  );
});

const scopes: readonly { lines: string[]; wants: [boolean, string]; why: string }[] = [
  { lines: ['sequence = 7,9', 'tcpflags = syn'], wants: [false, 'opening'], why: 'the articles' },
  { lines: ['sequence = 7,9'], wants: [false, 'any'], why: 'nothing said: any packet' },
  { lines: ['sequence = 7,9:udp', 'tcpflags = syn'], wants: [true, 'opening'], why: 'a datagram' },
  { lines: ['sequence = 7,9', 'tcpflags = fin'], wants: [false, 'any'], why: 'no SYN' },
  { lines: ['sequence = 7,9', 'tcpflags = syn,psh,!ack'], wants: [false, 'opening'], why: 'openings, some of them' },
  { lines: ['one_time_sequences = /x', 'tcpflags = syn'], wants: [true, 'opening'], why: 'its lines may change' },
  { lines: ['otp = totp'], wants: [false, 'opening'], why: 'ours' },
  { lines: ['otp = totp', 'protocols = both'], wants: [true, 'opening'], why: 'ours with datagrams' },
];

for (const { lines, wants, why } of scopes) {
  test(`when a door says ${JSON.stringify(lines)} then capture looks at no more than it needs (${why})`, () => {
    const { config, problems } = readText(`[ssh]\n${COMMAND}\n${lines.join('\n')}\n`);
    assert.deepEqual(problems, []);
    const { udp, tcp } = captureScopeOf(config.doors);
    assert.deepEqual([udp, tcp], wants);
  });
}

test('when a configuration as knockd users have it is read then there is no problem', () => {
  const { config, problems } = readText(readFileSync(new URL('../../../golden/knockd.conf', import.meta.url), 'utf8'));
  assert.deepEqual(
    problems.map((problem) => formatProblem(problem)),
    [],
  );
  assert.deepEqual(
    config.doors.map(({ name, kind }) => [name, kind]),
    [
      ['openSSH', 'static'],
      ['closeSSH', 'static'],
      ['openWeb', 'static'],
    ],
  );
});

test('when the command line names files for log and process number then they replace those of the file', () => {
  const text = `[options]\nLogFile = /a\nPidFile = /b\n${doorText('ssh')}`;
  const { config } = readText(text, { logFileOverride: '/c', pidFileOverride: '/d' });
  assert.deepEqual([config.logFile, config.pidFile], ['/c', '/d']);
});
