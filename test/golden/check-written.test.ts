import assert from 'node:assert/strict';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { checkReport } from '../../server/config/check/check-report.ts';
import { describeCheck } from '../../server/config/check/describe-check.ts';
import { loadServer } from '../../server/config/load-server.ts';
import { type ConfigDirectory, configDirectory } from '../support/core/config-text.ts';

let directory: ConfigDirectory;

before(async () => {
  directory = await configDirectory('');
  const lines = Array.from({ length: 12 }, (_, at) => ` ${7000 + at},900${at % 10},8000,6500:udp,${5000 + at}\n`);
  await sequences('list', `# ours\n${lines.join('')}#7000,9000\n`);
  await sequences('few', ' 7000,9000,8000\nabc\n');
  await sequences('used', '#7000,9000,8000\n');
  await sequences('open-to-all', ' 7000,9000,8000\n', 0o644);
  const doors = [
    '[openSSH]\nsequence = 7000,8000,9000\nseq_timeout = 5\ncommand = /bin/true %IP%\ntcpflags = syn\n',
    '[web]\nsequence = 7000,9000,8000,6500,7777\ntcpflags = syn\nopen = nftables tcp/443\n',
    `[mail]\none_time_sequences = ${join(directory.root, 'list')}\nlook_ahead = 2\ntcpflags = fin,!ack\nstart_command = true %IP%\nstop_command = true %IP%\n`,
    `[few]\none_time_sequences = ${join(directory.root, 'few')}\ntcpflags = syn\ncommand = true %IP%\n`,
    `[used]\none_time_sequences = ${join(directory.root, 'used')}\ntcpflags = syn\ncommand = true %IP%\n`,
    `[leaky]\none_time_sequences = ${join(directory.root, 'open-to-all')}\ntcpflags = syn\ncommand = true %IP%\n`,
  ];
  await writeFile(
    directory.file,
    `[options]\nserver_id = bastion\ninterface = lo\nclients_dir = ${directory.clientsDir}\n${doors.join('')}`,
  );
});

after(() => directory.remove());

async function sequences(name: string, text: string, mode = 0o600): Promise<void> {
  const path = join(directory.root, name);
  await writeFile(path, text);
  await chmod(path, mode);
}

function withoutRoot(text: string): string {
  return text.replaceAll(directory.root, '/etc/knock-otp');
}

test('when doors have written-down sequences then the report says how safe they are, and prints none', async () => {
  const text = withoutRoot(describeCheck(await loadServer(directory.file)));
  assert.equal(
    text,
    `/etc/knock-otp/knock-otpd.conf: 6 doors, 0 clients
  server id  bastion
  interface  lo
  capture    kernel if available, else pcap
  state      /var/lib/knock-otp
  clients    /etc/knock-otp/clients

[openSSH]
  opens      command, and nothing closes it
  sequence   one, the same every time
  knocks     3 (TCP flags syn,!ack, strict order, within 5 s)
  entropy    48.0 bits at most, 1 live sequence
  strays     0 forgiven within a knock
  odds       a random opening: 1 in 32,400 a day, at 10^5 random packets/s

[web]
  opens      nftables tcp/443, for 10 s
  sequence   one, the same every time
  knocks     5 (TCP flags syn,!ack, strict order, within 25 s)
  entropy    80.0 bits at most, 1 live sequence
  strays     238 forgiven within a knock
  odds       a random opening: 1 in 1,000,000 a day, at 10^5 random packets/s

[mail]
  opens      command, for 10 s
  sequence   12 left in /etc/knock-otp/list, each opens once
  knocks     5 in the weakest line (TCP flags fin,!ack, strict order, within 25 s)
  entropy    85.0 bits at most, 2 live sequences
  strays     256 forgiven within a knock
  odds       a random opening: 1 in 12,000,000 a day, at 10^5 random packets/s

[few]
  opens      command, and nothing closes it
  sequence   1 left in /etc/knock-otp/few, each opens once
  knocks     3 in the weakest line (TCP flags syn,!ack, strict order, within 25 s)
  entropy    48.0 bits at most, 1 live sequence
  strays     0 forgiven within a knock
  odds       a random opening: 1 in 32,400 a day, at 10^5 random packets/s

[used]
  opens      command, and nothing closes it
  sequence   no unspent line in /etc/knock-otp/used: the door stays shut

[leaky]
  opens      command, and nothing closes it
  sequence   no unspent line in /etc/knock-otp/open-to-all: the door stays shut

warning: /etc/knock-otp/knock-otpd.conf:17: [mail] tcpflags: no client knocks so: knock-otp and knock send SYNs without further flags (hint: write syn, unless you make the packets yourself)
warning: /etc/knock-otp/knock-otpd.conf: [openSSH] sequence: anyone who sees one knock at this door can repeat it (hint: replace the line with otp = totp, then knock-otpd enroll NAME --door openSSH)
warning: /etc/knock-otp/knock-otpd.conf: [web] sequence: anyone who sees one knock at this door can repeat it (hint: replace the line with otp = totp, then knock-otpd enroll NAME --door web)
warning: /etc/knock-otp/few:2: this line is not used: knock 1 is not a port from 1 to 65535, with :tcp or :udp or neither (hint: ports with commas)
warning: /etc/knock-otp/knock-otpd.conf: [few] one_time_sequences: few sequences are left in /etc/knock-otp/few: 1
warning: /etc/knock-otp/knock-otpd.conf: [used] one_time_sequences: the door stays shut: no unspent sequence is left in /etc/knock-otp/used (hint: add new lines)
warning: /etc/knock-otp/knock-otpd.conf: [leaky] one_time_sequences: the door stays shut: /etc/knock-otp/open-to-all can be read by others (mode 0644) (hint: chmod 600 '/etc/knock-otp/open-to-all', and make new sequences if somebody may have read these)
warning: /etc/knock-otp/knock-otpd.conf: [openSSH]: 100,000 random packets a second may open this door, even with no strays forgiven (hint: more knocks)
warning: /etc/knock-otp/knock-otpd.conf: [few]: 100,000 random packets a second may open this door, even with no strays forgiven (hint: more knocks)`,
  );
  const [, ...rest] = text.split('\n');
  for (const port of [8000, 9000, 6500, 7777, 5001]) assert.doesNotMatch(rest.join('\n'), new RegExp(`\\b${port}\\b`));
});

test('when a program asks of written-down doors then the report is data with stable names', async () => {
  const { doors } = checkReport(await loadServer(directory.file));
  const data: unknown = JSON.parse(withoutRoot(JSON.stringify([doors[0], doors[2], doors[4]])));
  assert.deepEqual(data, [
    {
      name: 'openSSH',
      sequences: 'static',
      opens: 'command',
      seconds: null,
      order: 'strict',
      tcpFlags: 'syn,!ack',
      seqTimeout: 5,
      odds: { knocks: 3, liveSequences: 1, entropyBits: 48, maxStrays: 0, log10OpeningsPerDay: -4.51 },
    },
    {
      name: 'mail',
      sequences: 'file',
      file: '/etc/knock-otp/list',
      left: 12,
      opens: 'command',
      seconds: 10,
      order: 'strict',
      tcpFlags: 'fin,!ack',
      seqTimeout: 25,
      contested: 'first',
      odds: { knocks: 5, liveSequences: 2, entropyBits: 85, maxStrays: 256, log10OpeningsPerDay: -7.08 },
    },
    {
      name: 'used',
      sequences: 'file',
      file: '/etc/knock-otp/used',
      left: 0,
      opens: 'command',
      seconds: null,
      order: 'strict',
      tcpFlags: 'syn,!ack',
      seqTimeout: 25,
      contested: 'first',
    },
  ]);
});
