/** Every key of knockd at doors with written-down sequences: its meaning and its default. */
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

test('when sequence is replaced by otp and nothing else then the door is sound', () => {
  const { problems } = readText(`[openSSH]
	otp         = totp
	seq_timeout = 5
	command     = /sbin/iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT
	tcpflags    = syn
`);
  assert.deepEqual(problems, []);
});

test('when no door has clients then a host name that is no id is no problem', () => {
  const { problems, config } = readText(doorText('ssh', 'sequence = 7,9,8', COMMAND), { hostname: 'my host' });
  assert.deepEqual(problems, []);
  assert.equal(config.serverId, 'knockd');
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
