/**
 * The printed configurations of the articles at both daemons, with Debian's knock: the results in iptables, ufw, ipfw and
 * hosts.allow are the same. The test adapts only two paths: hosts.allow, because each daemon needs its own file, and ipfw,
 * which Linux does not have. ufw and ipfw are stand-ins that record their calls.
 */
import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { BesideKnockd, type Side, skipWithoutPrograms } from '../support/host/beside-knockd.ts';

const options = { skip: skipWithoutPrograms('tcpreplay', 'knock', 'iptables', 'perl'), timeout: 120_000 };
const OPEN = ['7000', '8000', '9000'];
const CLOSE = ['9000', '8000', '7000'];

/** Listing 4 of "The sentinel" as a reader types it, without line numbers and the line break. */
const DEFAULT_CONF = `[options]
   UseSyslog
[openSSH]
        sequence    = 7000,8000,9000
        seq_timeout = 10
        tcpflags    = syn
        command     = /usr/sbin/iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT
[closeSSH]
        sequence    = 9000,8000,7000
        seq_timeout = 10
        tcpflags    = syn
        command     = /usr/sbin/iptables -D INPUT -s %IP% -p tcp --dport 22 -j ACCEPT
`;

/** "Add Port Knocking to SSH", for Linux. */
const LINUX_CONF = `[options]
      logfile = /var/log/knockd.log

[SSH]
      sequence    = 7000,8000,9000
      seq_timeout = 5
      command     = /sbin/iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT
      tcpflags    = syn
      cmd_timeout   = 10
      stop_command  = /sbin/iptables -D INPUT -s %IP% -p tcp --dport 22 -j ACCEPT
`;

/** The same, for FreeBSD. */
const FREEBSD_CONF = `[options]
        logfile = /var/log/knockd.log
        interface = xl0

[openSSH]
        sequence    = 7000,8000,9000
        seq_timeout = 5
        command     = /usr/local/sbin/ipfw -q add 00101 pass proto tcp src-ip %IP% dst-port 22
        tcpflags    = syn

[closeSSH]
        sequence    = 9000,8000,7000
        seq_timeout = 5
        command     = /usr/local/sbin/ipfw -q delete 00101 pass proto tcp src-ip %IP% dst-port 22
        tcpflags    = syn
`;

/** Listings 5 and 6 of "The sentinel", each in one door, with the recommended one-time file and 10 s. */
const ONE_TIME_CONF = `[options]
#  UseSyslog
logfile = /var/log/knockd.log
[iptables]
        one_time_sequences = /var/lib/one_time_sequences
        seq_timeout = 10
        tcpflags    = syn
        start_command  = /sbin/iptables -I INPUT -s %IP% -p tcp --dport 22 -j ACCEPT
        cmd_timeout = 1
        stop_command  = /sbin/iptables -D INPUT -s %IP% -p tcp --dport 22 -j ACCEPT
[ufw]
        sequence    = 2022:udp,3022:tcp,3024:udp
        seq_timeout = 10
        tcpflags    = syn
        start_command = ufw allow from %IP% to any port 22
        cmd_timeout = 1
        stop_command = ufw delete allow from %IP% to any port 22
`;

async function rules({ host }: Side): Promise<readonly string[]> {
  const { stdout } = await host.run(['iptables', '-S', 'INPUT']);
  return stdout.split('\n').filter((line) => line.startsWith('-A'));
}

async function knock(both: BesideKnockd, side: Side, ports: readonly string[]): Promise<void> {
  await both.client.must(['knock', '-d', '20', side.host.ipv4, ...ports]);
}

/** Without the calls by which knock-otpd, at its start, asks the stand-ins for leftover rules. */
async function calls(both: BesideKnockd, side: Side): Promise<readonly string[]> {
  return (await side.said()).filter((line) => line.includes(both.client.ipv4));
}

async function hasRules(side: Side, count: number): Promise<void> {
  await side.until(`${count} rules`, async () => (await rules(side)).length === count);
}

test('the default knockd.conf: the pair of doors adds and removes the same rule', options, async () => {
  await using both = await BesideKnockd.create();
  await writeFile(both.config, DEFAULT_CONF, { mode: 0o600 });
  const accept = `-A INPUT -s ${both.client.ipv4}/32 -p tcp -m tcp --dport 22 -j ACCEPT`;
  for (const side of both.sides) {
    await side.start(both.config);
    await knock(both, side, OPEN);
    await hasRules(side, 1);
    assert.deepEqual(await rules(side), [accept]);
    await knock(both, side, OPEN);
    await hasRules(side, 2);
    assert.deepEqual(await rules(side), [accept, accept]);
    await knock(both, side, CLOSE);
    await hasRules(side, 1);
    await knock(both, side, CLOSE);
    await hasRules(side, 0);
  }
});

test('the door of the article for Linux: the rule is there for ten seconds', options, async () => {
  await using both = await BesideKnockd.create();
  await writeFile(both.config, LINUX_CONF, { mode: 0o600 });
  for (const side of both.sides) await side.start(both.config);
  for (const side of both.sides) await knock(both, side, OPEN);
  await Promise.all(both.sides.map((side) => hasRules(side, 1)));
  const since = performance.now();
  for (const side of both.sides) {
    assert.ok(await side.sees(async () => (await rules(side)).length === 0, 12_000), `${side.name}: it closes`);
    assert.ok(performance.now() - since > 8000, `${side.name}: not too soon`);
  }
});

test('the configuration for FreeBSD: ipfw is called with the same words', options, async () => {
  await using both = await BesideKnockd.create();
  await both.putProgram('sbin/ipfw', 'echo "$#: $*" >> /var/lib/said');
  await writeFile(both.config, FREEBSD_CONF, { mode: 0o600 });
  const words = (verb: string): string => `10: -q ${verb} 00101 pass proto tcp src-ip ${both.client.ipv4} dst-port 22`;
  for (const side of both.sides) {
    await side.start(both.config);
    await knock(both, side, OPEN);
    await side.until('ipfw add', async () => (await calls(both, side)).length === 1);
    await knock(both, side, CLOSE);
    await side.until('ipfw delete', async () => (await calls(both, side)).length === 2);
    assert.deepEqual(await calls(both, side), [words('add'), words('delete')], side.name);
  }
});

test('one-time sequences with iptables, and ufw by its bare name after a knock of UDP and TCP', options, async () => {
  await using both = await BesideKnockd.create();
  await both.putProgram('sbin/ufw', 'echo "$#: $*" >> /var/lib/said');
  await both.put('one_time_sequences', ' 7000,8000,9000\n 7100,8100,9100\n 7200,8200,9200\n');
  await writeFile(both.config, ONE_TIME_CONF, { mode: 0o600 });
  const { ipv4 } = both.client;
  for (const side of both.sides) {
    await side.start(both.config);
    for (const ports of [OPEN, ['7100', '8100', '9100']]) {
      await knock(both, side, ports);
      await hasRules(side, 1);
      await hasRules(side, 0);
    }
    const left = '#7000,8000,9000\n#7100,8100,9100\n 7200,8200,9200\n';
    assert.equal(await readFile(join(side.dir, 'one_time_sequences'), 'utf8'), left, side.name);
    await knock(both, side, ['2022:udp', '3022', '3024:udp']);
    await side.until('ufw delete', async () => (await calls(both, side)).length === 2);
    assert.deepEqual(
      await calls(both, side),
      [`7: allow from ${ipv4} to any port 22`, `8: delete allow from ${ipv4} to any port 22`],
      side.name,
    );
  }
});

test(
  "TCP Wrappers: the article's line of Perl runs as it is; an echo into the file needs shell = yes, and check says so",
  options,
  async () => {
    await using both = await BesideKnockd.create();
    const before = '# /etc/hosts.allow\nsshd: 192.0.2.7\n';
    const conf = (shell: string): string => `[openSSH]
        sequence    = 7000,8000,9000
        seq_timeout = 10
        tcpflags    = syn
        command     = /bin/echo "SSHD: %IP%" >> /var/lib/etc/hosts.allow
${shell}[closeSSH]
        sequence    = 9000,8000,7000
        seq_timeout = 10
        tcpflags    = syn
        command     = /usr/bin/perl -ni.bak -e 'print unless /SSHD: %IP%/' /var/lib/etc/hosts.allow
`;
    await writeFile(both.config, conf(''), { mode: 0o600 });
    await assert.rejects(
      both.ours.start(both.config),
      /\[openSSH\] command: commands run without a shell, and >> needs one.*shell = yes/,
    );
    for (const side of both.sides) {
      await mkdir(join(side.dir, 'etc'));
      await side.put('etc/hosts.allow', before);
      // knockd has no such key and needs none.
      await writeFile(both.config, conf(side.name === 'ours' ? '        shell = yes\n' : ''), { mode: 0o600 });
      await side.start(both.config);
      const file = async (): Promise<string> => await readFile(join(side.dir, 'etc/hosts.allow'), 'utf8');
      await knock(both, side, OPEN);
      await side.until('line', async () => (await file()) === `${before}SSHD: ${both.client.ipv4}\n`);
      await knock(both, side, CLOSE);
      await side.until('line gone', async () => (await file()) === before);
    }
  },
);
