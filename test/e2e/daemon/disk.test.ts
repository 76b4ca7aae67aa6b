/** The state directory on a full or read-only disk: no door opens, and the log says why. */
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import { mustRun, run } from '../../../scripts/lab/running-process.ts';
import { Bastion } from '../../support/host/bastion.ts';

const options = { skip: skipWithoutNamespaces(), timeout: 120_000 };
const DOOR = '[ssh]\notp = hotp\nopen = nftables tcp/22\ncmd_timeout = 20\n';
const OPENED = /otpd: opened .*door=ssh/;

/** Mounts a file system of `kilobytes` at the bastion's state directory, until the returned object is disposed. */
async function smallDisk(bastion: Bastion, kilobytes: number): Promise<AsyncDisposable> {
  const { stateDir } = bastion;
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  await mustRun(['mount', '-t', 'tmpfs', '-o', `size=${kilobytes}k,mode=0700`, 'tmpfs', stateDir]);
  return {
    [Symbol.asyncDispose]: async () => {
      await mustRun(['umount', '-l', stateDir]);
    },
  };
}

test('when the disk is full then nothing opens; when there is room again the next knock opens', options, async () => {
  await using bastion = await Bastion.create({ doors: DOOR });
  await using _disk = await smallDisk(bastion, 256);
  const laptop = await bastion.enroll('laptop');
  const daemon = await bastion.start();
  const ballast = join(bastion.stateDir, 'ballast');
  const filled = await run(['dd', 'if=/dev/zero', `of=${ballast}`, 'bs=4k']);
  assert.match(filled.stderr, /No space left/);
  await bastion.send(laptop.sequence(0));
  await daemon.waitForLine(/not opened: .*could not be stored.*door=ssh/);
  assert.equal(await bastion.probe(), 'silent');
  assert.equal(daemon.ended, false);
  await mustRun(['rm', ballast]);
  // The knock that the daemon could not store stays spent; the next one opens.
  await daemon.waitForLine(/what was used is now stored/);
  await bastion.send(laptop.sequence(0));
  await bastion.barrier();
  assert.doesNotMatch(daemon.stderr, OPENED);
  await bastion.send(laptop.sequence(1));
  await daemon.waitForLine(OPENED);
  assert.equal(await bastion.probe(), 'open');
  await bastion.stop();
});

test(
  'when the state cannot be written at start then the daemon says so, ends, and the door is shut',
  options,
  async () => {
    await using bastion = await Bastion.create({ doors: DOOR });
    await using _disk = await smallDisk(bastion, 512);
    const laptop = await bastion.enroll('laptop');
    await bastion.start();
    await bastion.stop();
    await bastion.server.run(['nft', 'flush', 'ruleset']);
    assert.equal(await bastion.probe(), 'open');
    await mustRun(['mount', '-o', 'remount,ro', bastion.stateDir]);
    const daemon = bastion.launch();
    assert.equal((await daemon.finished()).code, 1);
    assert.match(daemon.stderr, /error: .*(state\.lock|state\.db|state) .*(read|written|opened|locked)/i);
    await bastion.send(laptop.sequence(0));
    assert.equal(await bastion.probe(), 'silent');
  },
);
