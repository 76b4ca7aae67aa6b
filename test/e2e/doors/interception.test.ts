/** A racer on the path copies the client's knocks: the daemon detects and logs it, and acts as the door is configured. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import { Bastion } from '../../support/host/bastion.ts';

const options = { skip: skipWithoutNamespaces(), timeout: 120_000 };
const OPENED = /otpd: opened .*door=ssh/;
const CONTESTED =
  /contested: two sources know one sequence.* door=ssh client=laptop source=10\.77\.0\.\d other=10\.77\.0\.\d/;
const doorWith = (setting: string) => `[ssh]\notp = totp\nopen = nftables tcp/22\ncontested = ${setting}\n`;

/** The client's recorded packets, sent again from the racer's address. */
async function copied(bastion: Bastion, send: () => Promise<void>, frames: number): Promise<string> {
  const { client, other } = bastion;
  const [seen, copy] = ['seen', 'copy'].map((name) => join(bastion.dir, `${name}.pcap`)) as [string, string];
  const recorder = await bastion.record(seen, `src host ${client.ipv4} and tcp and not port 22`);
  await send();
  await recorder.waitForLine(new RegExp(`^frames: ${frames}$`));
  await recorder.end('SIGINT');
  await other.must([
    'tcprewrite',
    `--srcipmap=${client.ipv4}/32:${other.ipv4}/32`,
    `--enet-smac=${other.mac}`,
    '--fixcsum',
    `--infile=${seen}`,
    `--outfile=${copy}`,
  ]);
  return copy;
}

for (const setting of ['first', 'refuse']) {
  test(`${setting}: when a racer stops the last knock and sends all of them then both are named`, options, async () => {
    await using bastion = await Bastion.create({ doors: doorWith(setting) });
    const laptop = await bastion.enroll('laptop');
    await bastion.start();
    const { client, other } = bastion;
    const knocks = laptop.sequence(await bastion.timeStep(laptop));
    const copy = await copied(bastion, () => bastion.send(knocks.slice(0, -1)), knocks.length - 1);
    await other.must(['tcpreplay', '-q', '--pps=1000', '-i', 'eth0', copy]);
    await bastion.send(knocks.slice(-1), { from: other });
    await bastion.barrier();
    assert.match(bastion.daemon.stderr, CONTESTED);
    assert.equal(await bastion.probe({ from: other }), setting === 'first' ? 'open' : 'silent');
    // The client's last knock finally arrives, and then all knocks again, also after a restart.
    await bastion.send(knocks.slice(-1));
    await bastion.barrier();
    assert.match(
      bastion.daemon.stderr,
      /refused: contested door=ssh client=laptop source=10\.77\.0\.2 other=10\.77\.0\.3/,
    );
    await bastion.stop('SIGKILL');
    await bastion.start();
    await bastion.send(knocks);
    await bastion.send(knocks, { from: other });
    await bastion.barrier();
    assert.doesNotMatch(bastion.daemon.stderr, OPENED);
    assert.equal(await bastion.probe({ from: client }), 'silent');
  });
}

test(
  'refuse: when a racer outruns the client then he is shut out as soon as the client is heard',
  options,
  async () => {
    await using bastion = await Bastion.create({ doors: doorWith('refuse') });
    const laptop = await bastion.enroll('laptop');
    await bastion.start();
    const { other } = bastion;
    const knocks = laptop.sequence(await bastion.timeStep(laptop));
    await bastion.send(knocks, { from: other });
    await bastion.daemon.waitForLine(OPENED);
    assert.equal(await bastion.probe({ from: other }), 'open');
    const mark = bastion.daemon.mark;
    await bastion.send(knocks);
    await bastion.daemon.waitForLine(/\bclosed\b.*door=ssh source=10\.77\.0\.3/, mark);
    assert.match(
      bastion.daemon.stderr,
      /contested: .*, and closed door=ssh client=laptop source=10\.77\.0\.2 other=10\.77\.0\.3/,
    );
    assert.equal(await bastion.probe({ from: other }), 'silent');
    assert.equal(await bastion.probe(), 'silent');
  },
);
