/**
 * libpcap's queue overflows during a knock. The lost packets may have been strays, so no attempt in progress may complete,
 * wherever in the queue its knocks are. The test stops the child, as a busy machine would, and sends real packets.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import type { Knock } from '../../../shared/knock.ts';
import { captureChild } from '../../support/daemon/capture-child.ts';
import { Bastion, type EnrolledClient } from '../../support/host/bastion.ts';

const options = { skip: skipWithoutNamespaces(), timeout: 120_000 };
const DOORS = '[ssh]\notp = hotp\nseq_timeout = 30\nlook_ahead = 9\nopen = nftables tcp/22\ncmd_timeout = 30\n';
const OPENED = /otpd: (opened|extended) .*door=ssh/;
/** A queue of 16 MiB holds 128 packets with offloading, otherwise some thousands. */
const FLOOD = 10_000;
const FEW = 60;

type Half = 'told' | 'in the queue';

/** The first half of a knock, then a flood while the child is stopped, then the second half. */
async function knockAround(bastion: Bastion, knocks: readonly Knock[], first: Half, flood: number): Promise<void> {
  const half = Math.floor(knocks.length / 2);
  if (first === 'told') {
    await bastion.send(knocks.slice(0, half));
    await bastion.barrier();
  }
  const before = await counted(bastion);
  const child = captureChild(bastion.daemon.pid);
  process.kill(child, 'SIGSTOP');
  try {
    if (first === 'in the queue') await bastion.send(knocks.slice(0, half));
    const noise = Array.from({ length: flood }, (_, at): Knock => ({ protocol: 'tcp', port: 1024 + (at % 60_000) }));
    await bastion.send(noise, { from: bastion.other, rate: 100_000 });
  } finally {
    process.kill(child, 'SIGCONT');
  }
  // The child's heartbeat shows that it has emptied the queue. Earlier packets would be lost with the flood.
  const isRead = ({ received, dropped }: Counted): boolean => dropped > 0 || received >= before.received + FEW;
  while (!isRead(await counted(bastion))) await new Promise((resolve) => setTimeout(resolve, 50));
  await bastion.send(knocks.slice(half));
  await bastion.barrier();
}

interface Counted {
  readonly received: number;
  readonly dropped: number;
  readonly lossesUnseen?: true;
}

async function counted(bastion: Bastion): Promise<Counted> {
  const { stdout } = await bastion.control('status', '--json');
  const [first] = (JSON.parse(stdout) as { readonly interfaces: readonly Counted[] }).interfaces;
  assert.ok(first !== undefined, stdout);
  return first;
}

async function opens(bastion: Bastion, laptop: EnrolledClient, counter: number): Promise<void> {
  const line = bastion.daemon.waitForLine(OPENED, bastion.daemon.mark, 10_000);
  await bastion.send(laptop.sequence(counter));
  await line;
}

for (const first of ['told', 'in the queue'] as const) {
  test(
    `when the queue overflows after a half knock that was ${first} then its other half completes nothing`,
    options,
    async () => {
      await using bastion = await Bastion.create({ doors: DOORS, capture: 'pcap' });
      const laptop = await bastion.enroll('laptop');
      const daemon = await bastion.start();
      await knockAround(bastion, laptop.sequence(0), first, FLOOD);
      assert.doesNotMatch(daemon.stderr, OPENED);
      assert.match(daemon.stderr, /packets were lost, knocks in progress are void packets=/);
      const { dropped, lossesUnseen } = await counted(bastion);
      assert.ok(dropped > 1000, `${dropped} dropped`);
      assert.equal(lossesUnseen, undefined);
      await opens(bastion, laptop, 1);
    },
  );

  test(
    `when the queue holds all that comes after a half knock that was ${first} then its other half opens`,
    options,
    async () => {
      await using bastion = await Bastion.create({ doors: DOORS, capture: 'pcap' });
      const laptop = await bastion.enroll('laptop');
      const daemon = await bastion.start();
      await knockAround(bastion, laptop.sequence(0), first, FEW);
      assert.match(daemon.stderr, OPENED);
      assert.equal((await counted(bastion)).dropped, 0);
    },
  );
}
