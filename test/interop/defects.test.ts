/**
 * Defects of knockd outside matching: each test shows the defect in Debian's knockd, and that knock-otpd does not have it.
 * sequence-scripts, door-key-scripts and one-time-scripts have the defects that a packet script can show.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { frameOf } from '../support/core/frames.ts';
import { SHARED } from '../support/core/packet-script.ts';
import { BesideKnockd, type Side, skipWithoutPrograms } from '../support/host/beside-knockd.ts';
import { door } from './packet-scripts.ts';

const options = { skip: skipWithoutPrograms('tcpreplay', 'knock'), timeout: 120_000 };
const SSH = door('ssh', '7000,8000,7500', { timeout: 10 });
const KNOCK = '7000 8000 7500';
const closing = (seconds: number): string => `  Cmd_Timeout = ${seconds}\n  Stop_Command = /var/lib/say -ssh %IP%\n`;

async function startBoth(both: BesideKnockd): Promise<void> {
  for (const side of both.sides) await side.start(both.config);
}

async function until(side: Side, count: number): Promise<void> {
  await side.until(`${count} commands`, async () => (await side.said()).length >= count);
}

/** The names that the commands wrote, without the source. */
async function names(side: Side): Promise<readonly string[]> {
  return (await side.said()).map((line) => line.split(' ')[0] ?? '');
}

/** The process and all its descendants, youngest last. */
function family(pid: number): readonly number[] {
  const tasks = readdirSync(`/proc/${pid}/task`);
  const children = tasks.flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'latin1').trim().split(' '),
  );
  return [pid, ...children.filter((child) => child !== '').flatMap((child) => family(Number(child)))];
}

/** A capture child ends by itself when its daemon is gone, which may be before its turn comes. */
function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

test(
  'when everything is killed while a door is open then knockd never closes it, and ours does at the next start',
  options,
  async () => {
    await using both = await BesideKnockd.create();
    await both.configure(door('ssh', '7000,8000,7500', { timeout: 10, more: closing(3) }));
    await startBoth(both);
    await both.send(KNOCK);
    for (const side of both.sides) {
      await until(side, 1);
      // As in a power cut: kills the daemon, and the sleeping child of knockd.
      for (const pid of family(side.daemon.pid)) killIfThere(pid);
      await side.daemon.finished();
    }
    await both.send('wait=3');
    await startBoth(both);
    await until(both.ours, 2);
    assert.deepEqual(await both.barrier(), []);
    assert.deepEqual(await names(both.ours), ['ssh', '-ssh']);
    assert.deepEqual(await names(both.knockd), ['ssh']);
  },
);

test(
  'when it is told to end while a door is open then ours closes it and ends with 0, knockd ends with 15 when its child has slept',
  options,
  async () => {
    await using both = await BesideKnockd.create();
    await both.configure(door('ssh', '7000,8000,7500', { timeout: 10, more: closing(4) }));
    await startBoth(both);
    await both.send(KNOCK);
    for (const side of both.sides) await until(side, 1);
    const began = performance.now();
    const own = await both.ours.daemon.end();
    assert.equal(own.code, 0);
    assert.deepEqual(await names(both.ours), ['ssh', '-ssh']);
    assert.ok(performance.now() - began < 2500, 'it does not wait for the time of the grant');
    const theirs = await both.knockd.daemon.end();
    assert.equal(theirs.code, 15);
  },
);

test(
  "when a command runs then knockd's has its packet socket and its log, ours has nothing of the daemon's",
  options,
  async () => {
    await using both = await BesideKnockd.create();
    // Descriptors 0 to 2 are the command's own pipes; the test checks only higher ones.
    await both.putProgram(
      'fds',
      'ls -l /proc/$$/fd | grep -v " [012] ->" > /var/lib/open-files; echo done >> /var/lib/said',
    );
    await both.configure(SSH.replace('/var/lib/say ssh', '/var/lib/fds'));
    await startBoth(both);
    await both.send(KNOCK);
    const held = async (side: Side): Promise<string> => {
      await until(side, 1);
      return await readFile(`${side.dir}/open-files`, 'utf8');
    };
    assert.match(await held(both.knockd), /socket:/);
    assert.match(await held(both.knockd), /\/log$/m);
    assert.doesNotMatch(await held(both.ours), /socket:|\/log$|\.db|state/m);
  },
);

test(
  'when a file of sequences is used up from the start then knockd does not start, and of ours only that door is shut',
  options,
  async () => {
    await using both = await BesideKnockd.create();
    await both.configure(
      `${SSH}[paper]\nOne_Time_Sequences = /var/lib/lines\nTCPFlags = syn\nStart_Command = /var/lib/say paper %IP%\n`,
    );
    await both.put('lines', '#7100,8100,7600\n');
    await assert.rejects(both.knockd.start(both.config));
    assert.equal((await both.knockd.daemon.finished()).code, 1);
    await both.ours.start(both.config);
    await both.send(`7100 8100 7600 ${KNOCK}`);
    await until(both.ours, 1);
    assert.deepEqual(await names(both.ours), ['ssh']);
  },
);

test(
  'when the line of a one-time file is used then it is struck before the command of ours begins',
  options,
  async () => {
    await using both = await BesideKnockd.create();
    await both.putProgram('see', 'cat /var/lib/lines >> /var/lib/said');
    await both.configure(
      '[ssh]\nOne_Time_Sequences = /var/lib/lines\nTCPFlags = syn\nStart_Command = /var/lib/see %IP%\n',
    );
    await both.put('lines', ' 7000,8000,7500\n 7100,8100,7600\n');
    await startBoth(both);
    await both.send(KNOCK);
    await until(both.ours, 2);
    assert.deepEqual(await both.ours.said(), ['#7000,8000,7500', ' 7100,8100,7600']);
  },
);

test(
  'when sources that nobody has knock at the first port then the log of knockd grows with them, that of ours does not',
  options,
  async () => {
    await using both = await BesideKnockd.create();
    await both.configure(SSH);
    await startBoth(both);
    const frames = Array.from({ length: 5000 }, (_, at) =>
      frameOf(
        {
          fromMac: '02:00:00:00:77:f0',
          toMac: 'ff:ff:ff:ff:ff:ff',
          from: `198.18.${at >> 8}.${at & 255}`,
          to: SHARED.ipv4,
        },
        { protocol: 'tcp', port: 7000 },
      ),
    );
    await both.sendFrames(frames, 5000);
    await both.send(KNOCK);
    assert.deepEqual(await both.barrier(), []);
    const lines = async (side: Side): Promise<number> => (await side.log()).split('\n').length;
    assert.ok((await lines(both.knockd)) >= 5000);
    assert.ok((await lines(both.ours)) < 100);
    assert.deepEqual(await names(both.ours), ['ssh']);
  },
);

test('when the address comes after the start then ours hears, and knockd never does', options, async () => {
  await using both = await BesideKnockd.create();
  await both.configure(SSH);
  for (const { host } of both.sides) await host.must(['ip', 'addr', 'flush', 'dev', 'eth0']);
  for (const side of both.sides) await side.start(both.config, { deaf: true });
  for (const { host } of both.sides) await host.ip(`addr add ${SHARED.ipv4}/24 dev eth0`);
  await both.ours.daemon.waitForLine(/own addresses changed/);
  await both.send(`${KNOCK} wait=1`);
  await until(both.ours, 1);
  assert.deepEqual(await names(both.ours), ['ssh']);
  assert.equal(both.knockd.daemon.ended, false);
  assert.deepEqual(await names(both.knockd), []);
});

test(
  'when the interface is deleted then knockd ends with 0, and ours hears on the one that comes in its place',
  options,
  async () => {
    await using both = await BesideKnockd.create();
    await both.configure(SSH);
    await startBoth(both);
    for (const { host } of both.sides) await both.network.unplug(host);
    assert.equal((await both.knockd.daemon.finished()).code, 0);
    const mark = both.ours.daemon.mark;
    await both.network.plug(both.ours.host);
    await both.ours.host.ip(`addr add ${SHARED.ipv4}/24 dev eth0`);
    // The kernel's rules use the interface's name, so an interface that is back at once only has a new address.
    await both.ours.daemon.waitForLine(/\blistening\b|own addresses changed/, mark);
    await both.send('wait=1.2');
    await both.send(KNOCK);
    await until(both.ours, 1);
    assert.deepEqual(await names(both.ours), ['ssh']);
  },
);

test('when the interface is not there at the start then knockd ends, and ours waits for it', options, async () => {
  await using both = await BesideKnockd.create();
  await both.configure(SSH);
  for (const { host } of both.sides) await both.network.unplug(host);
  await assert.rejects(both.knockd.start(both.config));
  assert.equal((await both.knockd.daemon.finished()).code, 1);
  await both.ours.start(both.config);
  const mark = both.ours.daemon.mark;
  await both.network.plug(both.ours.host);
  await both.ours.host.ip(`addr add ${SHARED.ipv4}/24 dev eth0`);
  await both.ours.daemon.waitForLine(/\blistening\b/, mark);
  await both.send('wait=1.2');
  await both.send(KNOCK);
  await until(both.ours, 1);
});

test('when the interface is any then knockd is deaf without a word, and ours hears', options, async () => {
  await using both = await BesideKnockd.create();
  await both.configure(SSH);
  for (const side of both.sides) await side.start(both.config, { args: ['-i', 'any'], deaf: true });
  // Not with a broadcast frame: on `any` the kernel reports the packet's type.
  const { client } = both;
  for (const side of both.sides) await client.must(['knock', '-d', '20', side.host.ipv4, '7000', '8000', '7500']);
  await until(both.ours, 1);
  assert.deepEqual(await names(both.ours), ['ssh']);
  assert.equal(both.knockd.daemon.ended, false);
  assert.deepEqual(await names(both.knockd), []);
});

test('when a changed configuration is wrong at SIGHUP then knockd ends, and ours goes on', options, async () => {
  await using both = await BesideKnockd.create();
  await both.configure(SSH);
  await startBoth(both);
  await both.configure(`${SSH}Nonsense = yes\n`);
  for (const { daemon } of both.sides) daemon.kill('SIGHUP');
  assert.equal((await both.knockd.daemon.finished()).code, 1);
  await both.send(KNOCK);
  await until(both.ours, 1);
  assert.equal(both.ours.daemon.ended, false);
});

for (const [written, heard] of [
  ['7003x,8000,7500', '7003 8000 7500'],
  ['-5,8000,7500', '65531 8000 7500'],
] as const) {
  test(
    `when a sequence is written ${written} then knockd takes it for ${heard}, and ours refuses it`,
    options,
    async () => {
      await using both = await BesideKnockd.create();
      await both.configure(door('ssh', written, { timeout: 10 }));
      await assert.rejects(both.ours.start(both.config), /it ended with 2 .*\[ssh\] Sequence:/s);
      await both.knockd.start(both.config);
      await both.send(heard);
      await until(both.knockd, 1);
      assert.deepEqual(await names(both.knockd), ['ssh']);
    },
  );
}
