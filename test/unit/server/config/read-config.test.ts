import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeCheck } from '../../../../server/config/check/describe-check.ts';
import { defaultInterface } from '../../../../server/config/sections/default-interface.ts';
import { addressKey } from '../../../../shared/address.ts';
import { allowedPorts, formatPortRanges } from '../../../../shared/allowed-ports.ts';
import { formatProblem } from '../../../../shared/errors.ts';
import { derivedDoor, doorText, readText } from '../../../support/core/config-text.ts';

test('when a file has one door with otp and open then everything else has its documented default', () => {
  const { config, problems, warnings } = readText('[ssh]\notp = totp\nopen = nftables tcp/22\n');
  assert.deepEqual([...problems, ...warnings], []);
  const { doors: _doors, ...options } = config;
  assert.deepEqual(options, {
    file: '/etc/knock-otpd.conf',
    serverId: 'bastion',
    interfaces: ['eth7'],
    nflogGroup: 7077,
    stateDir: '/var/lib/knock-otp',
    clientsDir: '/etc/knock-otp/clients',
    useSyslog: false,
    throttle: { failures: 5, timeMs: 60_000 },
    logFormat: 'text',
  });
  const door = derivedDoor(config);
  const { shape, ...policy } = door.policy;
  assert.deepEqual(policy, {
    name: 'ssh',
    mode: 'totp',
    order: 'any',
    stepSeconds: 30,
    window: 1,
    lookAhead: 10,
    seqTimeoutMs: 10_000,
    grantMs: 30_000,
    contested: 'first',
  });
  assert.deepEqual([shape.knocks, shape.protocols, shape.ports.length], [6, 'tcp', 64_500]);
  assert.deepEqual(door.action, { kind: 'nftables', services: [{ protocol: 'tcp', port: 22 }] });
  assert.equal(door.clients, undefined);
  assert.equal(door.allowLowEntropy, false);
});

test('when a door opens once then its action says so, and so does the check', async () => {
  const { config, problems } = readText('[ssh]\notp = totp\nopen = nftables tcp/22\nopen_once\n');
  assert.deepEqual(problems, []);
  assert.deepEqual(config.doors[0]?.action, { ...derivedDoor(config).action, once: true });
  const loaded = { config, enrolments: [], budgets: new Map(), files: new Map(), warnings: [], startWarnings: [] };
  assert.match(describeCheck(loaded), /opens +nftables tcp\/22 once, for 30 s/);
});

test('when every key is given then each one counts', () => {
  const { config, problems } = readText(`[Options]
Interface = eth0, wg0
Capture = PCAP
nflog_group = 5
Server_ID = gate-1
state_dir = /s
clients_dir = /c
LogFile = /var/log/k.log
PidFile = /run/k.pid
UseSyslog
[vpn]
otp = HOTP
clients = laptop, phone
knocks = 9
port_range = 2000-2999,4000
exclude_ports = 2100-2199
protocols = both
order = strict
look_ahead = 3
timeout = 7
max_strays = 20
target = 2001:db8::7
open = nftables udp/51820, tcp/2500
cmd_timeout = 3600
`);
  assert.deepEqual(problems, []);
  const { doors: _doors, ...options } = config;
  assert.deepEqual(options, {
    file: '/etc/knock-otpd.conf',
    serverId: 'gate-1',
    interfaces: ['eth0', 'wg0'],
    capture: 'pcap',
    nflogGroup: 5,
    stateDir: '/s',
    clientsDir: '/c',
    logFile: '/var/log/k.log',
    pidFile: '/run/k.pid',
    useSyslog: true,
    throttle: { failures: 5, timeMs: 60_000 },
    logFormat: 'text',
  });
  const door = derivedDoor(config);
  assert.deepEqual(door.clients, ['laptop', 'phone']);
  assert.equal(door.maxStraysLimit, 20);
  assert.equal(door.policy.mode, 'hotp');
  assert.equal(door.policy.order, 'strict');
  assert.equal(door.policy.lookAhead, 3);
  assert.equal(door.policy.seqTimeoutMs, 7000);
  assert.equal(door.policy.grantMs, 3_600_000);
  assert.equal(door.policy.target, addressKey('2001:db8::7'));
  assert.equal(formatPortRanges(door.exclude ?? []), '2100-2199,2500,51820');
  assert.equal(door.policy.shape.ports.length, 900);
  assert.deepEqual(door.policy.shape.ports, allowedPorts(door.range ?? [], door.exclude ?? []));
});

test('when a file is written as for knockd then commands are kept to the letter', () => {
  const start = '/sbin/iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT # "quoted" [x]=y \\; true';
  const { config, problems } = readText(`# a knockd.conf
[options]
\tUseSyslog

[openSSH]
\tOTP           = totp
\tSeq_Timeout   = 5
\tCommand       = ${start}
\tShell         = yes
\tCmd_Timeout   = 15
\tStop_Command  = /sbin/iptables -D INPUT -s %IP% ; echo done
`);
  assert.deepEqual(problems, []);
  assert.deepEqual(config.doors[0]?.action, {
    kind: 'command',
    start,
    stop: '/sbin/iptables -D INPUT -s %IP% ; echo done',
    shell: true,
  });
});

test('when the command line names an interface then it replaces that of the file, checked alike', () => {
  const text = `[options]\ninterface = eth0\n${doorText('ssh')}`;
  assert.deepEqual(readText(text, { interfaceOverride: 'wg0,eth1' }).config.interfaces, ['wg0', 'eth1']);
  const { problems } = readText(text, { interfaceOverride: '../x' });
  assert.equal(
    formatProblem(problems[0] ?? { message: '' }),
    '-i: "../x" is not the name of an interface (hint: write names as ip link shows them, with commas, or any)',
  );
});

test('when there is no default route then the daemon listens everywhere', () => {
  assert.deepEqual(readText(doorText('ssh'), { defaultInterface: undefined }).config.interfaces, ['any']);
});

const ipv4Head = 'Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n';
const routes: readonly { ipv4: string; ipv6: string; name: string | undefined; why: string }[] = [
  { ipv4: '', ipv6: '', name: undefined, why: 'no table' },
  {
    ipv4: `${ipv4Head}eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n`,
    ipv6: '',
    name: undefined,
    why: 'a network is no default',
  },
  {
    ipv4: `${ipv4Head}wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\neth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n`,
    ipv6: '',
    name: 'eth0',
    why: 'the lowest metric wins',
  },
  {
    ipv4: `${ipv4Head}tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0\n`,
    ipv6: '',
    name: undefined,
    why: '0.0.0.0/1 is half of a default route',
  },
  {
    ipv4: ipv4Head,
    ipv6: [
      '00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo',
      '00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth1',
    ].join('\n'),
    name: 'eth1',
    why: 'a host of IPv6 only, with its null route on lo',
  },
];

for (const { ipv4, ipv6, name, why } of routes) {
  test(`when the routes are such that ${why} then the default interface is ${name ?? 'not known'}`, () => {
    assert.equal(defaultInterface({ ipv4, ipv6 }), name);
  });
}
