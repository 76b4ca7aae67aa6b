/** A knock opens once, for its source, for the grant's time. A replay never opens. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import { Bastion } from '../../support/host/bastion.ts';

const options = { skip: skipWithoutNamespaces(), timeout: 120_000 };
const OPENED = /otpd: opened .*door=ssh/;
const CLOSED = /\bclosed\b.*door=ssh/;

const doorFor = (seconds: number, more = '') =>
  `[ssh]\notp = totp\nopen = nftables tcp/22\ncmd_timeout = ${seconds}\n${more}`;

for (const family of [4, 6] as const) {
  test(
    `over IPv${family}, a knock opens the hidden port for its sender alone, and it closes again`,
    options,
    async () => {
      await using bastion = await Bastion.create({ doors: doorFor(2) });
      const laptop = await bastion.enroll('laptop');
      await bastion.start();
      const { client, other } = bastion;
      assert.equal(await bastion.probe({ family }), 'silent');
      const mark = bastion.daemon.mark;
      await bastion.send(laptop.sequence(await bastion.timeStep(laptop)), { family });
      await bastion.daemon.waitForLine(OPENED, mark);
      assert.equal(await bastion.probe({ from: client, family }), 'open');
      assert.equal(await bastion.probe({ from: other, family }), 'silent');
      await bastion.daemon.waitForLine(CLOSED, mark);
      assert.equal(await bastion.probe({ from: client, family }), 'silent');
    },
  );
}

test(
  'a captured knock opens nothing: at once, from another address, after kill -9, with the clock set back',
  options,
  async () => {
    await using bastion = await Bastion.create({ doors: doorFor(1) });
    const laptop = await bastion.enroll('laptop');
    await bastion.start();
    const { client, other } = bastion;
    const capture = join(bastion.dir, 'capture.pcap');
    const recorder = await bastion.record(capture, `src host ${client.ipv4} and not port 22`);
    const mark = bastion.daemon.mark;
    await bastion.send(laptop.sequence(await bastion.timeStep(laptop)));
    await bastion.daemon.waitForLine(OPENED, mark);
    await recorder.waitForLine(/^frames: 6$/);
    await recorder.end('SIGINT');
    await bastion.daemon.waitForLine(CLOSED, mark);

    const elsewhere = join(bastion.dir, 'elsewhere.pcap');
    await other.must([
      'tcprewrite',
      `--srcipmap=${client.ipv4}/32:${other.ipv4}/32`,
      `--enet-smac=${other.mac}`,
      '--fixcsum',
      `--infile=${capture}`,
      `--outfile=${elsewhere}`,
    ]);
    const replay = async (when: string) => {
      const before = bastion.daemon.mark;
      await client.must(['tcpreplay', '-q', '--pps=1000', '-i', 'eth0', capture]);
      await other.must(['tcpreplay', '-q', '--pps=1000', '-i', 'eth0', elsewhere]);
      await bastion.barrier();
      const said = bastion.daemon.stderr.slice(before);
      assert.doesNotMatch(said, OPENED, when);
      assert.equal(await bastion.probe({ from: client }), 'silent', when);
      assert.equal(await bastion.probe({ from: other }), 'silent', when);
    };
    await replay('in the same step');
    await bastion.stop('SIGKILL');
    await bastion.start();
    await replay('after kill -9');
    await bastion.setClock(-60_000);
    await replay('with the clock of the running daemon set back');
    await bastion.stop();
    await bastion.start();
    await replay('after a restart with the clock set back');
  },
);

test(
  'when the daemon is killed while a door is open then the port shuts at its time and the next daemon closes it once',
  options,
  async () => {
    await using bastion = await Bastion.create({ doors: doorFor(3) });
    const laptop = await bastion.enroll('laptop');
    await bastion.start();
    const knocks = laptop.sequence(await bastion.timeStep(laptop));
    await bastion.send(knocks);
    await bastion.daemon.waitForLine(OPENED);
    const openedAt = Date.now();
    await bastion.stop('SIGKILL');
    // Without a daemon, the kernel's timeout has to close the door.
    assert.equal(await bastion.probe(), 'open');
    while ((await bastion.probe()) === 'open') assert.ok(Date.now() - openedAt < 6000, 'open past its time');
    await bastion.start();
    await bastion.daemon.waitForLine(CLOSED);
    await bastion.send(knocks);
    await bastion.barrier();
    assert.equal(await bastion.probe(), 'silent');
  },
);
