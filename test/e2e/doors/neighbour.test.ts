/** A host that shares the client's address shares its grant, and no traffic of that host extends the grant. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import { Bastion } from '../../support/host/bastion.ts';

const options = { skip: skipWithoutNamespaces(), timeout: 60_000 };
const SECONDS = 2;
const DOORS = `[ssh]\notp = hotp\nopen = nftables tcp/22\ncmd_timeout = ${SECONDS}\n`;
/** Time that the kernel's timers and a busy machine may add to the grant. */
const LATE_MS = 1500;

test(
  'a neighbour behind the same address gets in while the door is open, extends nothing by it, and not after it',
  options,
  async () => {
    await using bastion = await Bastion.create({ doors: DOORS });
    const laptop = await bastion.enroll('laptop');
    await bastion.start();
    const opened = bastion.daemon.waitForLine(/otpd: opened .*door=ssh/, 0, 10_000);
    await bastion.send(laptop.sequence(0));
    await opened;
    const openedAt = performance.now();
    // The server sees the client and its neighbour as one address. The neighbour connects again and again.
    let visits = 0;
    while ((await bastion.probe()) === 'open') {
      visits += 1;
      assert.ok(performance.now() - openedAt < SECONDS * 1000 + LATE_MS, `open for ${performance.now() - openedAt} ms`);
    }
    assert.ok(visits > 1, `${visits} visits`);
    // A repeat of the overheard knock is a replay.
    const refused = bastion.daemon.waitForLine(/refused: replay/, bastion.daemon.mark, 10_000);
    await bastion.send(laptop.sequence(0));
    await refused;
    assert.equal(await bastion.probe(), 'silent');
  },
);
