/** `capture = kernel` end to end: it is the default, the daemon checks its table, and leaves nothing behind. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import { Bastion } from '../../support/host/bastion.ts';
import { hasPatience } from '../../support/host/inside-namespaces.ts';

const options = { skip: skipWithoutNamespaces(), timeout: 120_000 };
const patient = { ...options, skip: options.skip || (!hasPatience() && 'takes its time: npm test -- --long') };
const OPENED = /otpd: (opened|extended) .*door=ssh/;
const DOORS = '[ssh]\notp = hotp\nlook_ahead = 0\nopen = nftables tcp/22\ncmd_timeout = 30\n';

async function tables(bastion: Bastion): Promise<string> {
  return await bastion.server.must(['nft', 'list', 'tables']);
}

test(
  'when nothing is said then the kernel chooses, knocks in a row open, and nothing is left at the end',
  options,
  async () => {
    await using bastion = await Bastion.create({ doors: DOORS });
    const laptop = await bastion.enroll('laptop');
    const { server } = bastion;
    const loggers = await server.must(['cat', '/proc/sys/net/netfilter/nf_log/2']);
    await bastion.start();
    const { stdout } = await bastion.control('status', '--json');
    assert.deepEqual(JSON.parse(stdout).capture, { kind: 'kernel', sees: 'live' });
    assert.match(
      (await bastion.control('status')).stdout,
      /^capture {4}kernel, packets of sources that touched a live port$/m,
    );
    assert.match(await tables(bastion), /inet knock_otp_watch/);
    assert.equal(
      await server.must(['cat', '/proc/sys/net/netfilter/nf_log/2']),
      loggers,
      "the host's loggers are its own",
    );
    // Without look-ahead a spend makes the next sequence live: it must be live as soon as the door has opened.
    for (let counter = 0; counter < 5; counter += 1) {
      const mark = bastion.daemon.mark;
      const line = bastion.daemon.waitForLine(OPENED, mark, 10_000);
      await bastion.send(laptop.sequence(counter), { family: counter % 2 === 0 ? 4 : 6 });
      await line;
    }
    // Packets to ports that are not live do not reach the daemon.
    const before = JSON.parse((await bastion.control('status', '--json')).stdout).counters.packets;
    const strays = Array.from({ length: 500 }, (_, at) => ({ protocol: 'tcp', port: 1 + at }) as const);
    await bastion.send(strays, { from: bastion.other });
    await bastion.barrier();
    const after = JSON.parse((await bastion.control('status', '--json')).stdout).counters.packets;
    assert.ok(after - before <= 12, `${after - before} packets for one knock`);
    await bastion.stop();
    assert.doesNotMatch(await tables(bastion), /knock_otp_watch/);
  },
);

test(
  'when somebody takes the rules away, all or some, then that is said and mended, and knocks open again',
  options,
  async () => {
    await using bastion = await Bastion.create({ doors: DOORS });
    const laptop = await bastion.enroll('laptop');
    const daemon = await bastion.start();
    for (const [counter, command] of [
      'delete table inet knock_otp_watch',
      'flush table inet knock_otp_watch',
    ].entries()) {
      const mark = daemon.mark;
      // The daemon first compares its table some seconds after its start.
      await bastion.server.must(['nft', ...command.split(' ')]);
      await daemon.waitForLine(/\bdeaf\b.*its rules were removed from the kernel/, mark, 15_000);
      await daemon.waitForLine(/\blistening\b/, mark, 5_000);
      const line = daemon.waitForLine(OPENED, mark, 10_000);
      await bastion.send(laptop.sequence(counter));
      await line;
    }
  },
);

test('when the daemon was killed then the next one replaces or removes what it left', options, async () => {
  await using bastion = await Bastion.create({ doors: DOORS });
  const laptop = await bastion.enroll('laptop');
  await bastion.start();
  await bastion.stop('SIGKILL');
  assert.match(await tables(bastion), /knock_otp_watch/);
  const next = await bastion.start();
  const line = next.waitForLine(OPENED, 0, 10_000);
  await bastion.send(laptop.sequence(0));
  await line;
  await bastion.stop('SIGKILL');
  await bastion.configure({ doors: DOORS, capture: 'pcap' });
  await bastion.start();
  assert.doesNotMatch(await tables(bastion), /knock_otp_watch/);
  assert.match((await bastion.control('status')).stdout, /^capture {4}pcap/m);
});

test(
  'when another program has the group then pcap takes over and says why, unless the kernel is insisted on',
  patient,
  async () => {
    await using bastion = await Bastion.create({ doors: DOORS, capture: 'kernel' });
    const laptop = await bastion.enroll('laptop');
    await bastion.start();
    // For this daemon, a second daemon holds the NFLOG group of the first.
    const first = bastion.daemon;
    await bastion.configure({ doors: DOORS, capture: 'kernel', stateDir: 'other' });
    const insisting = await bastion.launch().finished();
    assert.equal(insisting.code, 1);
    assert.match(insisting.stderr, /error: the kernel cannot choose packets here: cannot open nflog:7077/);
    assert.match(insisting.stderr, /hint: set capture = pcap in \[options\]/);
    assert.match(await tables(bastion), /knock_otp_watch/, "the first one's table stands");
    await bastion.configure({ doors: DOORS, stateDir: 'other' });
    const second = await bastion.start();
    assert.match(second.stderr, /capture by pcap: the kernel cannot choose packets here .*cannot open nflog:7077/);
    const line = second.waitForLine(OPENED, 0, 10_000);
    await bastion.send(laptop.sequence(0));
    await line;
    await first.end();
  },
);
