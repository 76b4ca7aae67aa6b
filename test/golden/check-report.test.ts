import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { checkReport } from '../../server/config/check/check-report.ts';
import { describeCheck } from '../../server/config/check/describe-check.ts';
import { loadServer } from '../../server/config/load-server.ts';
import { type ConfigDirectory, configDirectory, doorText } from '../support/core/config-text.ts';

const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';
const OTHER = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP';

let directory: ConfigDirectory;

before(async () => {
  directory = await configDirectory(
    [
      doorText('ssh', 'clients = laptop, phone'),
      doorText('vpn', 'otp = hotp', 'command = /bin/true %IP%', 'protocols = both', 'knocks = 4', 'order = strict'),
      doorText('spare', 'open = nftables tcp/8443, udp/8443', 'port_range = 8000-8999', 'exclude_ports ='),
    ].join(''),
  );
  await directory.putClient('laptop.client', `[ssh]\nsecret = ${SECRET}\n[vpn]\nsecret = ${SECRET}\n`);
  await directory.putClient('phone.client', `[ssh]\nsecret = ${OTHER}\n`);
});

after(() => directory.remove());

function withoutRoot(text: string): string {
  return text.replaceAll(directory.root, '/etc/knock-otp');
}

test('when a sound configuration is checked then the report says how, for whom and how safe', async () => {
  const text = withoutRoot(describeCheck(await loadServer(directory.file)));
  assert.equal(
    text,
    `/etc/knock-otp/knock-otpd.conf: 3 doors, 2 clients
  server id  bastion
  interface  lo
  capture    kernel if available, else pcap
  state      /var/lib/knock-otp
  clients    /etc/knock-otp/clients

[ssh]
  opens      nftables tcp/22, for 30 s
  otp        totp, steps of 30 s, window 1
  clients    laptop, phone
  knocks     6 (tcp, any order, within 10 s)
  ports      64500 of 1024-65535 without 22,1433-1434,1900,3389,5060-5061,5353,5355,6666-6669
  entropy    86.4 bits, 8 live sequences at most
  strays     173 forgiven within a knock
  odds       a random opening: 1 in 1,020,000 a day, at 10^5 random packets/s

[vpn]
  opens      command, for 30 s
  otp        hotp, look-ahead 10
  clients    laptop
  knocks     4 (tcp and udp, strict order, within 10 s)
  ports      64500 of 1024-65535 without 1433-1434,1900,3389,5060-5061,5353,5355,6666-6669
  entropy    67.9 bits, 11 live sequences at most
  strays     23 forgiven within a knock
  odds       a random opening: 1 in 1,120,000 a day, at 10^5 random packets/s

[spare]
  opens      nftables tcp/8443, udp/8443, for 30 s
  otp        totp, steps of 30 s, window 1
  clients    none
  knocks     6 (tcp, any order, within 10 s)
  ports      999 of 8000-8999 without 8443
  entropy    50.3 bits, 0 live sequences at most
  strays     256 forgiven within a knock
  odds       no client can open it

warning: /etc/knock-otp/knock-otpd.conf: [spare]: no client is enrolled at this door (hint: knock-otpd enroll NAME --door spare)`,
  );
});

test('when a program asks then the report is data with stable names', async () => {
  const report = checkReport(await loadServer(directory.file, { interfaceOverride: 'any' }));
  const data: unknown = JSON.parse(withoutRoot(JSON.stringify(report)));
  assert.deepEqual(data, {
    file: '/etc/knock-otp/knock-otpd.conf',
    serverId: 'bastion',
    interfaces: ['any'],
    capture: 'auto',
    stateDir: '/var/lib/knock-otp',
    clientsDir: '/etc/knock-otp/clients',
    doors: [
      {
        name: 'ssh',
        otp: 'totp',
        opens: 'nftables tcp/22',
        seconds: 30,
        clients: ['laptop', 'phone'],
        knocks: 6,
        order: 'any',
        protocols: 'tcp',
        seqTimeout: 10,
        portRange: '1024-65535',
        excludePorts: '22,1433-1434,1900,3389,5060-5061,5353,5355,6666-6669',
        allowedPorts: 64_500,
        liveSequences: 8,
        entropyBits: 86.37,
        maxStrays: 173,
        contested: 'first',
        log10OpeningsPerDay: -6.01,
      },
      {
        name: 'vpn',
        otp: 'hotp',
        opens: 'command',
        seconds: 30,
        clients: ['laptop'],
        knocks: 4,
        order: 'strict',
        protocols: 'both',
        seqTimeout: 10,
        portRange: '1024-65535',
        excludePorts: '1433-1434,1900,3389,5060-5061,5353,5355,6666-6669',
        allowedPorts: 64_500,
        liveSequences: 11,
        entropyBits: 67.91,
        maxStrays: 23,
        contested: 'first',
        log10OpeningsPerDay: -6.05,
      },
      {
        name: 'spare',
        otp: 'totp',
        opens: 'nftables tcp/8443, udp/8443',
        seconds: 30,
        clients: [],
        knocks: 6,
        order: 'any',
        protocols: 'tcp',
        seqTimeout: 10,
        portRange: '8000-8999',
        excludePorts: '8443',
        allowedPorts: 999,
        liveSequences: 0,
        entropyBits: 50.27,
        maxStrays: 256,
        contested: 'first',
        log10OpeningsPerDay: null,
      },
    ],
    warnings: [
      '/etc/knock-otp/knock-otpd.conf: [spare]: no client is enrolled at this door (hint: knock-otpd enroll NAME --door spare)',
    ],
  });
});

test('when penalties and the scan command are on then the report has them, and says how they can be abused', async () => {
  const doors = [
    doorText('ssh', 'penalty = 300'),
    doorText(
      'old',
      'sequence = 7001,8001,9001,7002,8002',
      'tcpflags = syn',
      'penalty = 60',
      'command = /bin/true %IP%',
    ),
  ];
  const options = 'scan_command = /bin/true --token=hush %IP%\nnever_ban = 192.0.2.0/24, 2001:db8::7\n';
  const place = await configDirectory([options, ...doors].join(''));
  try {
    const loaded = await loadServer(place.file);
    const lines = describeCheck(loaded).replaceAll(place.root, '/etc/knock-otp').split('\n');
    const said = lines.filter((line) => /^ {2}(scans|penalty)|penalty:|scan_command:/.test(line)).join('\n');
    assert.equal(
      said,
      `  scans      scan_command runs for sources that try 100 TCP ports, never for 192.0.2.0/24, 2001:db8::7
  penalty    300 s after a wrong combination
  penalty    60 s after a wrong combination
warning: /etc/knock-otp/knock-otpd.conf:10: [ssh] penalty: forged packets can block a client for 300 s, again and again (hint: penalties do not improve the odds: penalty = 0 unless you need it)
warning: /etc/knock-otp/knock-otpd.conf:14: [old] penalty: forged packets can block a client for 60 s, again and again (hint: penalties do not improve the odds: penalty = 0 unless you need it)
warning: /etc/knock-otp/knock-otpd.conf:5: [options] scan_command: forged packets can get any address banned, also a client or a gateway (hint: list the addresses you need in never_ban)`,
    );
    assert.doesNotMatch(lines.join('\n'), /hush/);
    const report = checkReport(loaded);
    assert.deepEqual(report.scans, { threshold: 100, neverBan: ['192.0.2.0/24', '2001:db8::7'] });
    assert.deepEqual(
      report.doors.map(({ penalty }) => penalty),
      [300, 60],
    );
  } finally {
    await place.remove();
  }
});
