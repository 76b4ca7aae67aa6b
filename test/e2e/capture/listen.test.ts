/**
 * `capture = listen` without privileges: the daemon is the user nobody, has no capability, and opens by a command. With
 * real sockets, real scans, and the built client.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Network, skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import { mustRun } from '../../../scripts/lab/running-process.ts';
import { daemonRights } from '../../support/host/bastion.ts';
import { hasPatience, needsPatience, needsRoot } from '../../support/host/inside-namespaces.ts';
import { ListeningBastion, portsOf, STEP_MS } from '../../support/host/listening-bastion.ts';

const options = { skip: skipWithoutNamespaces(), timeout: 120_000 };
const NONE = /^0+$/;

function listenTest(name: string, body: (t: TestContext) => Promise<void>): void {
  test(name, options, async (t) => {
    if (!needsRoot(t)) await body(t);
  });
}

listenTest(
  'when nobody runs it without a capability then a knock opens, by either family, and its replay does not',
  async () => {
    await using one = await ListeningBastion.create();
    const { bastion } = one;
    const [laptop, phone] = [await one.enroll('laptop'), await one.enroll('phone')];
    const daemon = await one.start();
    const of = (await readFile(`/proc/${daemon.pid}/status`, 'latin1')).split('\n');
    for (const set of ['CapEff', 'CapPrm', 'CapBnd', 'CapAmb']) {
      assert.match(of.find((line) => line.startsWith(set))?.split('\t')[1] ?? '', NONE, set);
    }
    await bastion.knockOtp(['add', '-', '--as', 'box'], { input: laptop.uri });
    const knocked = await bastion.knockOtp(['box', '-v']);
    assert.equal(knocked.code, 0, knocked.stderr);
    await one.opening(`opened door=box source=${bastion.client.ipv4} client=laptop`);
    const sent = /sent ((?:\d+ ?)+)/.exec(knocked.stderr)?.[1]?.trim().split(' ').map(Number) ?? [];
    assert.equal(sent.length, 10);
    const mark = daemon.mark;
    await one.connect(sent, { from: bastion.other, at: 10 });
    await daemon.waitForLine(new RegExp(`refused: (replay|contested) .*source=${bastion.other.ipv4}`), mark);
    await one.knock(phone, await bastion.timeStep(phone), bastion.client, 6);
    await one.opening(`opened door=box source=${bastion.client.ipv6} `);
    assert.deepEqual(await one.opened(), [bastion.client.ipv4, bastion.client.ipv6]);
    const { healthy, capture, interfaces } = await one.status();
    assert.equal(healthy, true);
    assert.equal(capture.kind, 'listen');
    assert.deepEqual([interfaces.length, interfaces[0]?.interface], [1, 'any']);
    assert.equal(capture.ports?.bound, capture.ports?.wanted);
    assert.match(
      (await one.control('status')).stdout,
      /^capture +listen, (\d+) of \1 ports bound, live ones and decoys$/m,
    );
    const ended = await bastion.stop();
    assert.equal(ended.code, 0, ended.stderr);
    assert.doesNotMatch(ended.stderr, /not permitted/);
    assert.deepEqual(await one.listening(), []);
  },
);

listenTest(
  'when all ports that listen are swept, in whatever order, then nothing opens, and a knock does',
  async () => {
    await using one = await ListeningBastion.create();
    const { bastion } = one;
    const [laptop, phone] = [await one.enroll('laptop'), await one.enroll('phone')];
    await one.start();
    const ascending = await one.listening();
    assert.ok(ascending.length > 1400 && ascending.length <= 3 * 512, `${ascending.length} listen`);
    const step = await bastion.timeStep(laptop);
    for (const port of [...portsOf(laptop, step), ...portsOf(phone, step)]) assert.ok(ascending.includes(port));
    const shuffled = ascending.map((port) => [Math.random(), port] as const).sort(([a], [b]) => a - b);
    const sweeps = [ascending, ascending.toReversed(), shuffled.map(([, port]) => port)];
    const sweeping = { from: bastion.other, at: 50, until: 'reset' };
    for (const ports of sweeps) assert.equal(await one.connect(ports, sweeping), ports.length);
    if (hasPatience()) {
      const all = Array.from({ length: 65_535 - 1_023 }, (_, at) => 1_024 + at);
      await one.connect(all, { ...sweeping, at: 200 });
    }
    // On a busy machine this may have taken more than a step.
    await one.knock(laptop, await bastion.timeStep(laptop));
    await one.opening('opened door=box .*client=laptop');
    assert.deepEqual(await one.opened(), [bastion.client.ipv4]);
    const { counters } = await one.status();
    assert.ok((counters['packets'] ?? 0) >= 3 * ascending.length, 'every connection was heard');
  },
);

listenTest(
  'when time goes on then a knock across the edge of its window opens, and so does what becomes live',
  async () => {
    await using one = await ListeningBastion.create();
    const { bastion } = one;
    const [laptop, phone] = [await one.enroll('laptop'), await one.enroll('phone')];
    const daemon = await one.start();
    const step = await bastion.timeStep(laptop);
    const before = await one.listening();
    const early = portsOf(laptop, step - 1);
    // Window 1: when the next step begins, the step before this one leaves the window.
    const edgeMs = (step + 1) * STEP_MS;
    await bastion.setClock(edgeMs - 1_500 - Date.now());
    const setAtMs = Date.now();
    await one.connect(early.slice(0, 5));
    await new Promise((resolve) => setTimeout(resolve, setAtMs + 1_600 - Date.now()));
    await one.connect(early.slice(5));
    await one.opening();
    const mark = daemon.mark;
    const later = step + 3;
    await bastion.setClock((step + 2) * STEP_MS + 100 - Date.now());
    const now = await until(async () => {
      const ports = await one.listening();
      return portsOf(phone, later).every((port) => ports.includes(port)) ? ports : undefined;
    });
    const came = now.filter((port) => !before.includes(port));
    assert.ok(came.length > 400, `${came.length} ports came`);
    await one.knock(phone, later);
    await one.opening('opened door=box .*client=phone', mark);
  },
);

listenTest('when the daemon starts again in the same step then the same ports listen', async () => {
  await using one = await ListeningBastion.create();
  await one.enroll('laptop');
  await one.start();
  const before = await one.listening();
  await one.bastion.stop('SIGKILL');
  await one.start();
  assert.deepEqual(await one.listening(), before);
});

listenTest(
  'when somebody holds a live port then that is said once and counted, and the next sequence opens',
  async () => {
    await using one = await ListeningBastion.create();
    const { bastion } = one;
    const laptop = await one.enroll('laptop');
    const step = await bastion.timeStep(laptop);
    await bastion.serve(portsOf(laptop, step)[3] ?? 0);
    const daemon = await one.start();
    await daemon.waitForLine(/warn: some ports cannot be bound.* taken=1 refused=0/);
    const { healthy, capture } = await one.status();
    assert.equal(healthy, true);
    assert.equal(capture.ports?.bound, (capture.ports?.wanted ?? 0) - 1);
    await one.knock(laptop, step);
    await one.knock(laptop, step + 1);
    await one.opening();
    assert.deepEqual(await one.opened(), [bastion.client.ipv4]);
  },
);

listenTest('when the limit of open files leaves most ports unbound then it is deaf, and says why', async () => {
  await using one = await ListeningBastion.create();
  const { bastion } = one;
  await one.enroll('laptop');
  await mustRun(['chown', '-R', '65534:65534', bastion.dir]);
  const daemon = bastion.launch([], 'none', ['prlimit', '--nofile=250:250', '--']);
  await daemon.waitForLine(/deaf interface=any reason="only \d+ of \d+ ports bound: .*ulimit -n/);
  const { code, stdout } = await one.control('status');
  assert.equal(code, 1);
  assert.match(stdout, /NOT HEALTHY/);
  assert.match(stdout, /^interface +any deaf /m);
});

listenTest('when the process that listens is killed then another one listens at the same ports', async () => {
  await using one = await ListeningBastion.create();
  const { bastion } = one;
  const laptop = await one.enroll('laptop');
  const daemon = await one.start();
  const before = await one.listening();
  const [child] = (await readFile(`/proc/${daemon.pid}/task/${daemon.pid}/children`, 'latin1')).trim().split(' ');
  const mark = daemon.mark;
  process.kill(Number(child), 'SIGKILL');
  await daemon.waitForLine(/\bdeaf\b.*SIGKILL/, mark);
  await daemon.waitForLine(/\blistening\b/, mark);
  await until(async () => ((await one.listening()).length === before.length ? true : undefined));
  assert.deepEqual(await one.listening(), before);
  await one.knock(laptop, await bastion.timeStep(laptop));
  await one.opening();
});

listenTest('when there are no packets to be had then the demo tells its shorter story', async (t) => {
  if (needsPatience(t)) return;
  const network = await Network.create(['host']);
  try {
    const host = network.host('host');
    const demo = fileURLToPath(new URL('../../../dist/scripts/demonstration/demo-listen.js', import.meta.url));
    const { code, stdout, stderr } = await host.run([...daemonRights('none'), process.execPath, demo]);
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /That is knock-otp, without any rights/);
  } finally {
    await network.dispose();
  }
});

async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (let tries = 0; tries < 100; tries += 1) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail('it did not come');
}
