/** `knock-otpd explain` on recorded packets: a knock, its replay, a sweep, and a knock that is too slow. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import type { Knock } from '../../../shared/knock.ts';
import { Bastion } from '../../support/host/bastion.ts';

const options = { skip: skipWithoutNamespaces(), timeout: 120_000 };
const DOOR = '[ssh]\notp = hotp\nseq_timeout = 1\nopen = nftables tcp/22\n';
const SWEEP: readonly Knock[] = Array.from({ length: 20_000 }, (_, at) => ({ protocol: 'tcp', port: at + 1024 }));

test(
  'a recorded knock, replay, sweep and slow knock are each explained, beside the running daemon',
  options,
  async () => {
    await using bastion = await Bastion.create({ doors: DOOR });
    const laptop = await bastion.enroll('laptop');
    await bastion.start();
    const file = join(bastion.dir, 'knocks.pcap');
    const recorder = await bastion.record(file, `dst host ${bastion.server.ipv4} and tcp`);
    await bastion.send(laptop.sequence(0));
    await bastion.daemon.waitForLine(/otpd: opened .*door=ssh/);
    await bastion.send(laptop.sequence(0));
    await bastion.daemon.waitForLine(/refused: replay/);
    await bastion.send(SWEEP, { from: bastion.other, rate: 40_000 });
    await bastion.send(laptop.sequence(1), { rate: 3 });
    await bastion.barrier();
    await recorder.end('SIGINT');

    const { code, stdout, stderr } = await bastion.control('explain', file);
    assert.equal(code, 0, stderr);
    const lines = stdout.split('\n');
    const of = (source: string) => lines.filter((line) => line.includes(`  ${source}  `));
    const [client, other] = [of(bastion.client.ipv4), of(bastion.other.ipv4)];
    assert.match(client[1] ?? '', /knock 2 of 6 at door ssh, client laptop/);
    assert.match(client[5] ?? '', /knock 6 of 6 at door ssh, client laptop \(.*\): would open for 30 s$/);
    assert.match(client[6] ?? '', /knock 1 of 6 of a used sequence at door ssh, client laptop$/);
    assert.match(client[11] ?? '', /knock 6 of 6 .*: refused, replay: this sequence, or a later one, is spent$/);
    assert.match(stdout, /\d+ packets, each: stray, or a first knock/);
    assert.match(client.at(-1) ?? '', /knock [2-4] of 6 at door ssh, client laptop .*; too slow: .* seq_timeout, 1 s$/);
    assert.match(stdout, / {4}door ssh, client laptop: would open once, refused once \(replay\)/);
    assert.match(stderr, /laptop has opened ssh since the capture began/);
    // The sweep touched some ports of the unspent sequence: explain marks none of them.
    const marked = other.filter((line) => line.includes('door ssh') && !line.includes('that was used'));
    assert.ok(marked.length < 4, marked.join('\n'));

    const again = join(bastion.dir, 'again.pcap');
    const second = await bastion.record(again, `dst host ${bastion.server.ipv4} and tcp`);
    const mark = bastion.daemon.mark;
    await bastion.send(laptop.sequence(0));
    await bastion.daemon.waitForLine(/refused: replay/, mark);
    await second.end('SIGINT');
    const replayed = await bastion.control('explain', again, '--json');
    const told = replayed.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.deepEqual(told[5]?.['outcomes'], [{ door: 'ssh', client: 'laptop', opens: false, reason: 'replay' }]);
    assert.match(JSON.stringify(told.at(-1)), /^\{"summary":\{.*"opened":0,/);
    assert.doesNotMatch(replayed.stderr, /since the capture began/);
  },
);

test(
  'elsewhere and at another time the same capture is explained with --own and --at, and damage is said',
  options,
  async () => {
    await using bastion = await Bastion.create();
    const laptop = await bastion.enroll('laptop');
    const file = join(bastion.dir, 'send-client.pcap');
    // The frames as sent, with times that begin in 1970.
    await bastion.start();
    const step = await bastion.timeStep(laptop);
    await bastion.send(laptop.sequence(step));
    await bastion.daemon.waitForLine(/otpd: opened .*door=ssh/);
    const wrongTime = await bastion.control('explain', file);
    assert.match(wrongTime.stdout, /would open never/);
    const at = `${step * laptop.profile.step}`;
    const told = await bastion.control('explain', file, '--at', at, '--own', bastion.server.ipv4);
    assert.match(told.stdout, /would open for 30 s/, told.stderr);
    const elsewhere = await bastion.control('explain', file, '--at', at, '--own', '192.0.2.1');
    assert.match(elsewhere.stdout, /no knock: not to this host's own addresses/);
    const usage = await bastion.control('explain', file, '--at', 'yesterday');
    assert.deepEqual([usage.code, usage.stdout], [2, '']);
    assert.match(usage.stderr, /--at: "yesterday" is not a time/);
    const damaged = await bastion.control('explain', bastion.configFile);
    assert.deepEqual([damaged.code, damaged.stdout.split('\n')[0]], [1, '0 packets, 0 counted, would open never']);
    assert.match(damaged.stderr, /neither pcap nor pcapng/);
  },
);
