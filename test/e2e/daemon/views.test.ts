/** Metrics, notifications and the log for programs, on a daemon that opens and refuses. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import { Bastion } from '../../support/host/bastion.ts';

const options = { skip: skipWithoutNamespaces(), timeout: 120_000 };

test('an opening and a replay are measured, told, and logged as objects', options, async () => {
  await using bastion = await Bastion.create();
  const laptop = await bastion.enroll('laptop');
  const [program, seen] = [join(bastion.dir, 'tell'), join(bastion.dir, 'told')];
  await writeFile(program, `#!/bin/sh\necho "$*" >> ${seen}\n`, { mode: 0o700 });
  const before = await readFile(bastion.configFile, 'utf8');
  const more = `[options]
metrics = 127.0.0.1:9469
log_format = json
logfile = ${join(bastion.dir, 'log')}
notify_command = ${program} %EVENT% %DOOR% %IP% %CLIENT% %REASON%
notify_events = open, refuse
`;
  await bastion.rewriteConfig(before.replace('[options]\n', more));
  const daemon = bastion.launch();
  await daemon.waitForLine(/"event":"ready"/);
  const knocks = laptop.sequence(await bastion.timeStep(laptop));
  await bastion.send(knocks);
  await daemon.waitForLine(/"event":"opened"/);
  await bastion.send(knocks);
  await daemon.waitForLine(/"event":"refused"/);

  const fetchMetrics = `fetch('http://127.0.0.1:9469/metrics').then((r) => r.text()).then((t) => process.stdout.write(t))`;
  const { stdout } = await bastion.server.run([process.execPath, '-e', fetchMetrics]);
  const metrics = new Map(
    stdout.split('\n').map((line) => [line.slice(0, line.lastIndexOf(' ')), line.split(' ').at(-1)]),
  );
  for (const [name, value] of [
    ['knock_otp_healthy', '1'],
    ['knock_otp_opened_total', '1'],
    ['knock_otp_refusals_total{reason="replay"}', '1'],
    ['knock_otp_grants_open{door="ssh"}', '1'],
    ['knock_otp_capture_up{interface="eth0"}', '1'],
    ['knock_otp_spend_duration_seconds_count', '1'],
  ] as const) {
    assert.equal(metrics.get(name), value, `${name}\n${stdout}`);
  }
  assert.doesNotMatch(stdout, new RegExp(bastion.client.ipv4.replaceAll('.', '\\.')));

  const objects = (await readFile(join(bastion.dir, 'log'), 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const of = (event: string) => objects.find((entry) => entry['event'] === event);
  assert.deepEqual(
    [of('opened')?.['source'], of('opened')?.['client'], of('refused')?.['source'], of('refused')?.['reason']],
    [bastion.client.ipv4, 'laptop', bastion.client.ipv4, 'replay'],
  );

  const want = [`open ssh ${bastion.client.ipv4} laptop -`, `refuse ssh ${bastion.client.ipv4} laptop replay`];
  let told: string[] = [];
  while (told.length < want.length) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    told = (await readFile(seen, 'utf8').catch(() => '')).split('\n').slice(0, -1);
  }
  assert.deepEqual(told, want);
});
