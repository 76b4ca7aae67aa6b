/** The configuration and the client files: any text gives a draft and problems with words, never an exception. */
import assert from 'node:assert/strict';
import { parseClient } from '../../../server/config/clients/client-document.ts';
import { Findings } from '../../../server/config/findings.ts';
import { parseConfig } from '../../../server/config/read-config.ts';
import type { Problem } from '../../../shared/errors.ts';
import { formatProblem } from '../../../shared/errors.ts';
import { parseIni } from '../../../shared/formats/ini-document.ts';
import type { Target } from '../target.ts';

const SURROUNDINGS = { hostname: 'bastion', defaultInterface: 'eth0' };
const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';

function run(input: Uint8Array): void {
  const text = new TextDecoder().decode(input);
  const lines = text.split('\n').length;
  const { sections, problems } = parseIni(text);
  assert.ok(sections.length <= lines && sections.flatMap(({ entries }) => entries).length <= lines);
  checkProblems(problems, lines);
  const findings = new Findings();
  const { config, doorNames } = parseConfig(text, '/etc/knock-otp.conf', SURROUNDINGS, findings);
  checkProblems([...findings.problems, ...findings.warnings], lines);
  assert.ok(config.doors.length <= doorNames.length && doorNames.length <= sections.length);
  if (findings.problems.length === 0) assert.ok(config.doors.length > 0, 'no door and no problem');
  const client = parseClient(text, ['ssh', 'web']);
  checkProblems(client.problems, lines);
  const shown = JSON.stringify([client, findings.problems, findings.warnings]).toUpperCase();
  assert.ok(!shown.includes(SECRET), 'a secret is shown');
}

function checkProblems(problems: readonly Problem[], lines: number): void {
  // A door can lack or combine wrongly some twenty keys, and each line can have one or two problems.
  assert.ok(problems.length <= lines * 25 + 25, `${problems.length} problems in ${lines} lines`);
  for (const problem of problems) {
    assert.match(problem.message, /^\S/);
    assert.ok(problem.line === undefined || (problem.line >= 0 && problem.line <= lines), `line ${problem.line}`);
    const said = formatProblem(problem);
    assert.ok(said.length < 1000, `a problem of ${said.length} characters`);
    assert.ok(!/\p{Cc}/u.test(said.replaceAll('\t', '')), `control characters: ${JSON.stringify(said)}`);
  }
}

const texts = [
  '[options]\nUseSyslog\nserver_id = bastion\ninterface = eth0, wg0\nLogFile = /var/log/x.log\nPidFile = /run/x.pid\n' +
    '\n[ssh]\notp = totp\nopen = nftables tcp/22\nclients = laptop, phone\nknocks = 8\nport_range = 20000-29999\n',
  '# c\n[web]\notp = hotp\nopen = nftables tcp/443, udp/443\nlook_ahead = 5\nwindow = 2\nprotocols = both\norder = strict\n' +
    'exclude_ports = 1900\nseq_timeout = 15\nmax_strays = 32\nallow_low_entropy = yes\ntarget = 192.0.2.7\ncmd_timeout = 60\n',
  '[knockd]\nsequence = 7000,8000:udp,9000\nseq_timeout = 5\ntcpflags = syn,!ack\nstart_command = /sbin/iptables -s %IP%\n' +
    'stop_command = /bin/sh -c "x"\nstart_command_6 =\nshell = no\nrun_as = nobody\n[b]\none_time_sequences = /etc/b\n',
  `[ssh]\nsecret = ${SECRET}\n[web]\nrevoked\n`,
];

export const target: Target = { seeds: texts.map((text) => Buffer.from(text)), maxLength: 2048, run };
