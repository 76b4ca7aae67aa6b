/** Metrics: the text, where it may be served, and that the examples in contrib/ name only existing metrics. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseMetricsAddress } from '../../../../server/config/metrics-address.ts';
import { daemonMetrics, SPEND_BOUNDS } from '../../../../server/metrics/daemon-metrics.ts';
import { formatMetrics, Histogram } from '../../../../server/metrics/exposition.ts';
import { type MetricsServer, serveMetrics } from '../../../../server/metrics/metrics-server.ts';
import { KnockError } from '../../../../shared/errors.ts';
import { doorText, readText } from '../../../support/core/config-text.ts';
import { address, enrolment } from '../../../support/core/doors.ts';
import { DaemonBench } from '../../../support/daemon/daemon-bench.ts';

const laptop = enrolment('laptop');

async function knocked(): Promise<string> {
  const bench = new DaemonBench([laptop, enrolment('phone')]);
  await bench.daemon.start();
  const spends = new Histogram(SPEND_BOUNDS);
  bench.knock(laptop, 1000, address('192.0.2.7'));
  bench.knock(laptop, 1000, address('192.0.2.7'));
  await bench.settled();
  for (const seconds of [0.0004, 0.003, 7]) spends.observe(seconds);
  const text = formatMetrics(daemonMetrics(bench.daemon.status(), spends));
  await bench.daemon.stop();
  return text;
}

test('an opening and a replay are counted, by door, client and reason, and no source is in it', async () => {
  const text = await knocked();
  for (const line of [
    'knock_otp_opened_total 1',
    'knock_otp_refusals_total{reason="replay"} 1',
    'knock_otp_grants_open{door="ssh"} 1',
    'knock_otp_capture_up{interface="eth0"} 1',
    'knock_otp_client_drift_steps{door="ssh",client="phone"} 0',
    'knock_otp_packets_total 12',
    'knock_otp_spend_duration_seconds_bucket{le="0.001"} 1',
    'knock_otp_spend_duration_seconds_bucket{le="0.005"} 2',
    'knock_otp_spend_duration_seconds_bucket{le="+Inf"} 3',
    'knock_otp_spend_duration_seconds_count 3',
  ]) {
    assert.ok(text.split('\n').includes(line), `${line} is not in\n${text}`);
  }
  assert.doesNotMatch(text, /192\.0\.2\.7/);
});

test('whatever a label holds, it stays within its quotes', () => {
  const samples = [{ labels: { door: 'a"b\\c\nd' }, value: 1 }];
  const text = formatMetrics([{ name: 'x', type: 'gauge', help: 'y', samples }]);
  assert.equal(text, '# HELP x y\n# TYPE x gauge\nx{door="a\\"b\\\\c\\nd"} 1\n');
});

const hasPromtool = spawnSync('promtool', ['--version']).error === undefined;
const promtool = { skip: !hasPromtool && 'promtool is not installed: scripts/setup --test with CI=true' };

test('promtool has nothing to say against the metrics', promtool, async () => {
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
    input: await knocked(),
    encoding: 'utf8',
  });
  assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: '', stderr: '' });
});

test('promtool takes the examples of alerts', promtool, () => {
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'rules', 'contrib/alerts.yml'], {
    encoding: 'utf8',
  });
  assert.equal(status, 0, `${stdout}${stderr}`);
});

for (const file of ['contrib/alerts.yml', 'contrib/grafana-dashboard.json', 'docs/SEEING.md']) {
  test(`every metric that ${file} names is one that the daemon has`, async () => {
    const text = await knocked();
    const there = new Set([...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name));
    const named = [...readFileSync(file, 'utf8').matchAll(/\bknock_otp_[a-z_]+/g)].map(([name]) => name);
    assert.ok(named.length > 0);
    for (const name of named) assert.ok(there.has(name.replace(/_bucket$/, '')), name);
    if (file.startsWith('docs')) for (const name of there) assert.ok(named.includes(`${name}`), `${name} is not told`);
  });
}

const addresses: readonly [string, ReturnType<typeof parseMetricsAddress>][] = [
  ['127.0.0.1:9469', { kind: 'tcp', host: '127.0.0.1', port: 9469 }],
  ['127.9.9.9:1', { kind: 'tcp', host: '127.9.9.9', port: 1 }],
  ['[::1]:9469', { kind: 'tcp', host: '::1', port: 9469 }],
  ['/run/knock.sock', { kind: 'unix', path: '/run/knock.sock' }],
];
for (const [text, want] of addresses) {
  test(`metrics may be served on ${text}`, () => assert.deepEqual(parseMetricsAddress(text), want));
}

for (const text of [
  ...[
    '0.0.0.0:9469',
    '192.0.2.1:9469',
    '[::]:9469',
    '[2001:db8::1]:9469',
    '[::ffff:192.0.2.1]:1',
    'localhost:9469',
    ':9469',
  ],
  ...['9469', '127.0.0.1', '127.0.0.1:0', '127.0.0.1:65536', '127.1:9469', '0x7f.0.0.1:9469', `/${'x'.repeat(107)}`],
]) {
  test(`metrics are refused on ${text.slice(0, 40)}, with section, key and line`, () => {
    const { problems } = readText(`[options]\nmetrics = ${text}\n${doorText('ssh')}`);
    assert.deepEqual(
      problems.map(({ section, key, line }) => ({ section, key, line })),
      [{ section: 'options', key: 'metrics', line: 2 }],
    );
  });
}

async function ask(
  where: { port?: number | undefined; socketPath?: string },
  { path = '/metrics', method = 'GET', body = '', headers = {} } = {},
): Promise<{ status: number | undefined; text: string }> {
  return await new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', ...where, path, method, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode, text }));
    });
    asked.on('error', reject).end(body);
  });
}

async function serving(use: (server: MetricsServer) => Promise<void>): Promise<void> {
  const server = await serveMetrics({ kind: 'tcp', host: '127.0.0.1', port: 0 }, () => 'x 1\n');
  try {
    await use(server);
  } finally {
    await server.close();
  }
}

test('metrics are at /metrics and nothing is elsewhere; bodies, other methods and long headers are refused', async () => {
  await serving(async ({ port }) => {
    assert.deepEqual(await ask({ port }), { status: 200, text: 'x 1\n' });
    assert.equal((await ask({ port }, { path: '/' })).status, 404);
    assert.equal((await ask({ port }, { method: 'POST' })).status, 405);
    assert.equal((await ask({ port }, { headers: { 'content-length': '4' }, body: 'xxxx' })).status, 413);
    assert.equal((await ask({ port }, { headers: { long: 'x'.repeat(20_000) } })).status, 431);
  });
});

test('connections beyond eight are closed at once, and those that say nothing are not kept', async () => {
  await serving(async ({ port }) => {
    const idle = Array.from({ length: 8 }, () => connect(port ?? 0, '127.0.0.1').on('error', () => undefined));
    await Promise.all(idle.map((socket) => new Promise((resolve) => socket.on('connect', resolve))));
    await assert.rejects(ask({ port }));
    const freed = new Promise((resolve) => idle[0]?.on('close', resolve));
    idle[0]?.destroy();
    await freed;
    for (let tries = 0; ; tries += 1) {
      const answer = await ask({ port }).catch((error: unknown) => error);
      if (!(answer instanceof Error)) break;
      assert.ok(tries < 1_000, answer.message);
    }
    for (const socket of idle) socket.destroy();
  });
});

test("a Unix socket is the daemon's user's alone, a dead one is replaced, and a file that is none is not", async () => {
  const folder = mkdtempSync(join(tmpdir(), 'knock-otp-metrics-'));
  const [path, file] = [join(folder, 'metrics.sock'), join(folder, 'file')];
  writeFileSync(file, 'mine');
  const dead = spawnSync(process.execPath, [
    '-e',
    `require("net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`,
  ]);
  assert.ok(dead.signal === 'SIGKILL' && existsSync(path));
  const server = await serveMetrics({ kind: 'unix', path }, () => 'x 1\n');
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal((await ask({ socketPath: path })).text, 'x 1\n');
  await server.close();
  const refused = await serveMetrics({ kind: 'unix', path: file }, () => '').catch((error: unknown) => error);
  assert.ok(refused instanceof KnockError && refused.code === 'CONFIG_INVALID');
  assert.equal(readFileSync(file, 'utf8'), 'mine');
  rmSync(folder, { recursive: true });
});
