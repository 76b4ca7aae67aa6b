/** Penalties and the scan command, with real packets, real time and a real command. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import type { Knock } from '../../../shared/knock.ts';
import { Bastion } from '../../support/host/bastion.ts';
import { hasPatience } from '../../support/host/inside-namespaces.ts';

const options = { skip: skipWithoutNamespaces(), timeout: 120_000 };

function ports(from: number, count: number): readonly Knock[] {
  return Array.from({ length: count }, (_, at) => ({ protocol: 'tcp', port: from + at }));
}

test(
  'when a combination goes wrong then a right one is refused and used up, until the penalty is over',
  options,
  async () => {
    const doors = '[ssh]\notp = hotp\nopen = nftables tcp/22\nmax_strays = 6\npenalty = 2\ncmd_timeout = 300\n';
    await using bastion = await Bastion.create({ doors });
    const laptop = await bastion.enroll('laptop');
    await bastion.start();
    const said = () => bastion.daemon.stderr;
    await bastion.send([...laptop.sequence(0).slice(0, 3), ...ports(100, 7)]);
    await bastion.send(laptop.sequence(0));
    await bastion.barrier();
    assert.match(said(), /penalty: a wrong combination, its source is ignored door=ssh source=10\.77\.0\.2 seconds=2/);
    assert.match(said(), /refused: penalty door=ssh client=laptop source=10\.77\.0\.2/);
    assert.equal(await bastion.probe(), 'silent');
    await pause(2_100);
    await bastion.send(laptop.sequence(0));
    await bastion.barrier();
    assert.match(said(), /refused: replay door=ssh/);
    await bastion.send(laptop.sequence(1));
    await bastion.daemon.waitForLine(/otpd: opened .*door=ssh/);
  },
);

/** A bastion whose scan_command records the addresses that it receives. */
async function watched(): Promise<{ readonly bastion: Bastion; readonly told: () => Promise<string> }> {
  const bastion = await Bastion.create();
  const list = join(bastion.dir, 'banned');
  const text = await readFile(bastion.configFile, 'utf8');
  const keys = `scan_command = echo %IP% >> ${list}\nscan_shell = yes\nnever_ban = 10.77.0.3/32\n`;
  await bastion.rewriteConfig(text.replace('[options]\n', `[options]\n${keys}`));
  await bastion.start();
  return { bastion, told: () => readFile(list, 'utf8') };
}

test(
  'when two hosts sweep the ports then the command is told once of the one that may be banned',
  options,
  async () => {
    const { bastion, told } = await watched();
    await using _ = bastion;
    await bastion.send(ports(2000, 300), { from: bastion.other });
    await bastion.send(ports(2000, 99));
    // From this host's own address, which only a forged packet has.
    await bastion.send(ports(2000, 300), { source: bastion.server.ipv4 });
    await bastion.barrier();
    await assert.rejects(told(), { code: 'ENOENT' });
    await bastion.send(ports(2000, 1000));
    await bastion.daemon.waitForLine(/scan: the scan_command is told source=10\.77\.0\.2/);
    await bastion.send(ports(3000, 1000));
    await bastion.barrier();
    assert.equal(await told(), '10.77.0.2\n');
  },
);

test('when nmap scans every port then the command is told once', {
  ...options,
  skip: options.skip || (!hasPatience() && 'a scan of every port: npm test -- --long'),
}, async () => {
  const { bastion, told } = await watched();
  await using _ = bastion;
  const scan = [
    'nmap',
    '-n',
    '-Pn',
    '-sS',
    '-p1-65535',
    '--min-rate',
    '5000',
    '--max-retries',
    '0',
    bastion.server.ipv4,
  ];
  await bastion.other.must(scan);
  await bastion.client.must(scan);
  await bastion.barrier();
  assert.equal(await told(), '10.77.0.2\n');
});
