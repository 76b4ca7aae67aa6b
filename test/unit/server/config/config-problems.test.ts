/** The problems and warnings of a configuration: which key is wrong, at which line, and what to write instead. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatProblem } from '../../../../shared/errors.ts';
import { doorText, readText } from '../../../support/core/config-text.ts';

/** Lines of a door, or a whole file that begins with a section, and their one problem. */
const bad: readonly { lines: string; key: string | undefined; says: RegExp; hint?: RegExp; why: string }[] = [
  { lines: 'nocks = 6', key: 'nocks', says: /not known/, hint: /mean knocks\?/, why: 'a letter is missing' },
  { lines: 'windwo = 1', key: 'windwo', says: /not known/, hint: /mean window\?/, why: 'two letters are swapped' },
  { lines: 'colour = red', key: 'colour', says: /not known/, hint: /keys of this section: otp, /, why: 'no such key' },
  { lines: '; knocks = 6', key: '; knocks', says: /not known/, hint: /begin with #/, why: 'knockd has no ; comments' },
  { lines: 'usesyslog = yes', key: 'usesyslog', says: /not known/, why: 'the key is of another section' },
  {
    lines: '[a]\notp = totp\nopen = ufw tcp/80\nopen_once = yes',
    key: 'open_once',
    says: /only nftables/,
    hint: /open = nftables tcp\/22/,
    why: 'ufw cannot close behind a connection',
  },
  {
    lines: '[a]\notp = totp\nstart_command = /bin/open %IP%\nopen_once = yes',
    key: 'open_once',
    says: /only nftables/,
    why: 'nor can a command',
  },
  { lines: 'knocks = 0x10', key: 'knocks', says: /"0x10" is not a whole/, hint: /1 to 32/, why: 'hexadecimal' },
  { lines: 'knocks = 1e1', key: 'knocks', says: /"1e1"/, why: 'exponents' },
  { lines: 'knocks = +8', key: 'knocks', says: /"\+8"/, why: 'signs' },
  { lines: 'knocks = -8', key: 'knocks', says: /"-8"/, why: 'negative' },
  { lines: 'knocks = 08', key: 'knocks', says: /"08"/, why: 'octal elsewhere' },
  { lines: 'knocks = 8 8', key: 'knocks', says: /"8 8"/, why: 'two numbers' },
  { lines: 'knocks = ٨', key: 'knocks', says: /"٨"/, why: 'digits of other scripts' },
  { lines: 'knocks = 33', key: 'knocks', says: /not from 1 to 32/, why: 'above the range' },
  { lines: 'knocks = 0', key: 'knocks', says: /not from 1 to 32/, why: 'below the range' },
  { lines: 'knocks =', key: 'knocks', says: /empty/, hint: /default/, why: 'empty' },
  { lines: 'knocks', key: 'knocks', says: /no value/, why: 'no value at all' },
  { lines: 'window = 11', key: 'window', says: /not from 0 to 10/, why: 'too many live sequences' },
  { lines: 'cmd_timeout = 0', key: 'cmd_timeout', says: /not from 1/, why: 'a grant that ends at once' },
  { lines: 'seq_timeout = 10s', key: 'seq_timeout', says: /"10s"/, why: 'units' },
  {
    lines: 'timeout = 5\nseq_timeout = 6',
    key: 'seq_timeout',
    says: /line 4 .* the same key/,
    why: 'an alias beside it',
  },
  { lines: 'knocks = 7\nknocks = 8', key: 'knocks', says: /line 4 /, why: 'the key stands twice' },
  {
    lines: 'protocols = tpc',
    key: 'protocols',
    says: /not tcp or udp or both/,
    hint: /mean tcp/,
    why: 'a typing error',
  },
  { lines: 'order = random', key: 'order', says: /not any or strict/, why: 'no such order' },
  { lines: 'otp = steam', key: 'otp', says: /not totp or hotp/, why: 'no such mode' },
  { lines: 'allow_low_entropy = maybe', key: 'allow_low_entropy', says: /not yes or no/, why: 'neither' },
  { lines: 'clients = laptop, ../root', key: 'clients', says: /"\.\.\/root" is not a name/, why: 'path traversal' },
  { lines: 'clients = laptop,,phone', key: 'clients', says: /"" is not a name/, why: 'a name is missing' },
  { lines: 'clients = a, b, a', key: 'clients', says: /twice/, why: 'a name stands twice' },
  { lines: 'port_range = 70000', key: 'port_range', says: /"70000" is not a port/, why: 'no such port' },
  { lines: 'port_range = 9-1', key: 'port_range', says: /"9-1"/, why: 'the wrong way round' },
  { lines: 'port_range = 2000-2003', key: 'port_range', says: /6 knocks need/, why: 'fewer ports than knocks' },
  { lines: 'knocks = 2', key: 'knocks', says: /30\.9 bits/, hint: /allow_low_entropy/, why: 'below 48 bits' },
  { lines: 'max_strays = 257', key: 'max_strays', says: /not from 0 to 256/, why: 'above what the matcher holds' },
  { lines: 'target = bastion', key: 'target', says: /not an IP address/, why: 'a name may change' },
  { lines: 'open = nftables', key: 'open', says: /"" is not a protocol/, hint: /tcp\/22/, why: 'no port' },
  { lines: 'open = nftables 22', key: 'open', says: /"22" is not a protocol/, why: 'no protocol' },
  { lines: 'open = ipchains tcp/22', key: 'open', says: /"ipchains" is not a way/, why: 'no such backend' },
  { lines: 'open = nftables tcp/22, TCP/22', key: 'open', says: /twice/, why: 'a port stands twice' },
  {
    lines: 'start_command = x %IP%\nopen = nftables tcp/22',
    key: 'start_command',
    says: /not by both/,
    why: 'two ways',
  },
  { lines: '[s]\notp = totp', key: 'open', says: /opens nothing/, why: 'no way to open' },
  { lines: '[s]\notp = totp\nstop_command = x', key: 'open', says: /stop_command alone/, why: 'only a way to close' },
  {
    lines: '[s]\nopen = nftables tcp/22',
    key: 'otp',
    says: /missing/,
    hint: /otp = totp/,
    why: 'nothing says how to knock',
  },
  { lines: '[a door]\notp = totp\nopen = nftables tcp/22', key: undefined, says: /not a door name/, why: 'a blank' },
  { lines: '[options]', key: undefined, says: /no door/, why: 'there is nothing to open' },
  { lines: '', key: undefined, says: /empty/, why: 'there is nothing' },
];

for (const { lines, key, says, hint, why } of bad) {
  test(`when a door says ${JSON.stringify(lines)} then that is the one problem (${why})`, () => {
    const text = lines === '' || lines.startsWith('[') ? lines : doorText('ssh', ...lines.split('\n'));
    const { problems } = readText(text);
    assert.equal(problems.length, 1, problems.map((problem) => formatProblem(problem)).join('\n'));
    assert.equal(problems[0]?.key, key);
    assert.match(problems[0]?.message ?? '', says);
    assert.match(problems[0]?.hint ?? '', hint ?? /^/);
  });
}

const badOptions: readonly { line: string; key: string; says: RegExp; why: string }[] = [
  { line: 'capture = kernal', key: 'capture', says: /not kernel or pcap/, why: 'a slip' },
  { line: 'nflog_group = 0', key: 'nflog_group', says: /not from 1/, why: 'the group of nobody' },
  { line: 'interface = any, eth0', key: 'interface', says: /any is combined with/, why: 'any hears them all' },
  { line: 'interface = -i', key: 'interface', says: /"-i" is not/, why: 'an option to tools' },
  { line: 'interface = averylonginterface', key: 'interface', says: /not the name/, why: '16 characters at most' },
  { line: 'server_id = my server', key: 'server_id', says: /not a name/, why: 'it travels in URIs' },
  { line: 'state_dir = var/lib', key: 'state_dir', says: /absolute/, why: 'the daemon changes its directory' },
  { line: 'usesyslog = perhaps', key: 'usesyslog', says: /yes or no/, why: 'neither' },
  { line: 'pidfle = /run/x', key: 'pidfle', says: /not known/, why: 'a letter is missing' },
];

for (const { line, key, says, why } of badOptions) {
  test(`when [options] says ${JSON.stringify(line)} then that is the one problem (${why})`, () => {
    const { problems } = readText(`[options]\n${line}\n${doorText('ssh')}`);
    assert.equal(problems.length, 1);
    assert.deepEqual([problems[0]?.section, problems[0]?.key, problems[0]?.line], ['options', key, 2]);
    assert.match(problems[0]?.message ?? '', says);
  });
}

test('when two doors have one name or one port then both lines are named', () => {
  const { problems } = readText(
    doorText('ssh') + doorText('ssh', 'open = nftables tcp/23') + doorText('web', 'open = nftables tcp/80, tcp/22'),
  );
  assert.deepEqual(
    problems.map((problem) => formatProblem(problem, 'f')),
    [
      'f:4: [ssh]: this section is already at line 1 (hint: give each section a name of its own)',
      'f:7: [web] open: tcp/22 already belongs to door [ssh] at line 1 (hint: a port has one door: enroll the clients there)',
    ],
  );
});

test('when much is wrong then all of it is said together', () => {
  const { problems } = readText(
    `x = 1\n[options]\nserver_id = a b\n${doorText('ssh', 'nocks = 3', 'order = x')}[t\n${doorText('web', 'step = 0')}`,
  );
  assert.deepEqual(new Set(problems.map(({ line }) => line)), new Set([1, 3, 7, 8, 9, 13, 10]));
});

test('when knocks are few and allow_low_entropy is said then it is a warning', () => {
  const { problems, warnings } = readText(doorText('ssh', 'knocks = 2', 'allow_low_entropy'));
  assert.deepEqual(problems, []);
  assert.match(warnings[0]?.message ?? '', /30\.9 bits/);
});

test('when a key means nothing in the mode of its door then it is a warning', () => {
  const { warnings } = readText(
    doorText('ssh', 'look_ahead = 3') + doorText('b', 'otp = hotp', 'open = nftables tcp/1', 'step = 9'),
  );
  assert.deepEqual(
    warnings.map(({ section, key }) => [section, key]),
    [
      ['ssh', 'look_ahead'],
      ['b', 'step'],
    ],
  );
});

test('when a command needs a shell then the problem names the operators and quotes nothing else', () => {
  const { problems, warnings } = readText(doorText('ssh', 'command = run --password hunter2 | tee /x; rm y > z'));
  const text = [...problems, ...warnings].map((problem) => formatProblem(problem)).join('\n');
  assert.match(text, /does not contain %IP%/);
  assert.match(text, /without a shell, and \| ; > needs one .*shell = yes/);
  assert.doesNotMatch(text, /hunter2|tee|rm/);
});

test("when the host's name is no name and server_id is missing then that is a problem", () => {
  const { problems } = readText(doorText('ssh'), { hostname: 'my host' });
  assert.deepEqual(
    problems.map(({ key }) => key),
    ['server_id'],
  );
  assert.deepEqual(readText(`[options]\nserver_id = a\n${doorText('ssh')}`, { hostname: 'my host' }).problems, []);
});

test('when the keys of scans do not fit then each is a problem of its own', () => {
  const problemsOf = (lines: string) =>
    readText(`[options]\n${lines}\n${doorText('ssh')}`).problems.map(({ key, message }) => `${key}: ${message}`);
  assert.deepEqual(problemsOf('scan_command = /bin/ban %IP% > /tmp/x'), [
    'scan_command: commands run without a shell, and > needs one',
  ]);
  assert.deepEqual(problemsOf('scan_command = /bin/ban %IP% > /tmp/x\nscan_shell = yes'), []);
  assert.deepEqual(problemsOf('scan_command = /bin/ban'), [
    'scan_command: the command does not contain %IP%: it cannot know what to ban',
  ]);
  assert.deepEqual(problemsOf('never_ban = 192.0.2.1'), ['never_ban: there is no scan_command']);
  assert.deepEqual(problemsOf('scan_command = /bin/ban %IP%\nnever_ban = 192.0.2.1, 10/8'), [
    'never_ban: "10/8" is not an address or a network',
  ]);
  assert.deepEqual(problemsOf('scan_command = /bin/ban %IP%\nscan_threshold = 19'), [
    'scan_threshold: "19" is not from 20 to 256',
  ]);
});
