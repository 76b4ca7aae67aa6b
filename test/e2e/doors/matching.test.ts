/** Knocks among noise open: strays and other hosts. Sweeps never open. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import type { Knock } from '../../../shared/knock.ts';
import { Bastion, type EnrolledClient } from '../../support/host/bastion.ts';

const options = { skip: skipWithoutNamespaces(), timeout: 240_000 };
const OPENED = /otpd: opened .*door=ssh/;
const EVERY_PORT: readonly Knock[] = Array.from({ length: 65_535 }, (_, at) => ({ protocol: 'tcp', port: at + 1 }));

/** The same order in every run: 48271 generates the numbers below the prime 2^31 - 1. */
function shuffled<T>(items: readonly T[], seed: number): T[] {
  const result = [...items];
  let state = seed;
  for (let at = result.length - 1; at > 0; at -= 1) {
    state = (state * 48_271) % 0x7fffffff;
    const other = state % (at + 1);
    const held = result[at] as T;
    result[at] = result[other] as T;
    result[other] = held;
  }
  return result;
}

/** Ports in none of the client's live sequences, so that they are certainly strays. */
async function strays(
  bastion: Bastion,
  client: EnrolledClient,
  count: number,
  seed: number,
): Promise<readonly Knock[]> {
  const now = await bastion.timeStep(client);
  const live = new Set([-2, -1, 0, 1, 2].flatMap((delta) => client.sequence(now + delta).map(({ port }) => port)));
  return shuffled(EVERY_PORT, seed)
    .filter(({ port }) => port > 1024 && !live.has(port))
    .slice(0, count);
}

test('a sweep of all ports ascending, descending and shuffled, for a whole step, never opens', options, async () => {
  await using bastion = await Bastion.create({ doors: '[ssh]\notp = totp\nstep = 10\nopen = nftables tcp/22\n' });
  const laptop = await bastion.enroll('laptop');
  await bastion.start();
  const began = await bastion.timeStep(laptop);
  const orders = [EVERY_PORT, EVERY_PORT.toReversed(), shuffled(EVERY_PORT, 1), shuffled(EVERY_PORT, 2)];
  let sweeps = 0;
  // At least each order once, and from the beginning of a step to its end.
  while (sweeps < orders.length || (await bastion.timeStep(laptop)) < began + 2) {
    await bastion.send(orders[sweeps % orders.length] ?? [], { rate: 40_000 });
    sweeps += 1;
  }
  await bastion.barrier();
  assert.doesNotMatch(bastion.daemon.stderr, OPENED);
  assert.equal(await bastion.probe(), 'silent');
  // The daemon heard the sweep: a knock right after it still opens.
  await bastion.send(laptop.sequence(await bastion.timeStep(laptop)));
  await bastion.daemon.waitForLine(OPENED);
});

test('a knock opens though each packet comes twice, in another order, with 64 strays in between', options, async () => {
  await using bastion = await Bastion.create();
  const laptop = await bastion.enroll('laptop');
  await bastion.start();
  const knocks = laptop.sequence(await bastion.timeStep(laptop)).toReversed();
  const noise = await strays(bastion, laptop, 64, 3);
  const share = Math.ceil(noise.length / knocks.length);
  const sent = knocks.flatMap((knock, at) => [knock, knock, ...noise.slice(at * share, (at + 1) * share), knock]);
  await bastion.send(sent);
  await bastion.daemon.waitForLine(OPENED);
  assert.equal(await bastion.probe(), 'open');
});

test(
  'one packet short of a sequence opens nothing, and the last one does, whoever else knocks in between',
  options,
  async () => {
    await using bastion = await Bastion.create();
    const laptop = await bastion.enroll('laptop');
    await bastion.start();
    const knocks = laptop.sequence(await bastion.timeStep(laptop));
    await bastion.send(knocks.slice(0, -1));
    await bastion.barrier();
    assert.doesNotMatch(bastion.daemon.stderr, OPENED);
    // Neither the missing port nor a thousand strays from another address open the door.
    await bastion.send([...knocks.slice(-1), ...(await strays(bastion, laptop, 1000, 4))], {
      from: bastion.other,
      rate: 5000,
    });
    await bastion.barrier();
    assert.doesNotMatch(bastion.daemon.stderr, OPENED);
    await bastion.send(knocks.slice(-1));
    await bastion.daemon.waitForLine(OPENED);
    assert.equal(await bastion.probe({ from: bastion.other }), 'silent');
  },
);

test('where a door says strict then a swapped knock opens nothing, and the right order does', options, async () => {
  await using bastion = await Bastion.create({
    doors: '[ssh]\notp = hotp\norder = strict\nprotocols = both\nopen = nftables tcp/22\n',
  });
  const laptop = await bastion.enroll('laptop');
  await bastion.start();
  const [first, second, ...rest] = laptop.sequence(0);
  assert.ok(first !== undefined && second !== undefined);
  await bastion.send([second, first, ...rest]);
  await bastion.barrier();
  assert.doesNotMatch(bastion.daemon.stderr, OPENED);
  await bastion.send([first, second, ...rest]);
  await bastion.daemon.waitForLine(OPENED);
});
