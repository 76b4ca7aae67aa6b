/** The process that captures: it gives up its rights, another takes its place when it hangs, and it survives a flood. */
import assert from 'node:assert/strict';
import { readFileSync, readlinkSync } from 'node:fs';
import { test } from 'node:test';
import { Network, skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import { captureChild } from '../../support/daemon/capture-child.ts';
import { listening, states } from '../../support/daemon/started-capture.ts';

const options = { skip: skipWithoutNamespaces(), timeout: 60_000 };

test('when the child has its device then it has given everything else up', options, async () => {
  await using network = await Network.create(['server']);
  const capture = await listening(network.host('server'), 'tcp', 'lo');
  const pid = captureChild(capture.pid);
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  assert.match(status, /^NoNewPrivs:\s*1$/m);
  assert.match(status, /^CapEff:\s*0+$/m);
  assert.match(status, /^CapPrm:\s*0+$/m);
  assert.match(status, /^Seccomp:\s*2$/m);
  const mapped = /^\s*0\s+0\s+4294967295$/m.test(readFileSync('/proc/self/uid_map', 'latin1'));
  if (mapped) assert.match(status, /^Uid:\s*65534\s+65534\s+65534\s+65534$/m);
  assert.match(
    capture.stderr,
    mapped ? /^state lo listening dropped to user 65534/m : /^state lo listening runs as user 0, kept/m,
  );
  await capture.end();
});

test('when the child hangs then that is deafness, and another takes its place', options, async () => {
  await using network = await Network.create(['server']);
  const server = network.host('server');
  const capture = await listening(server, 'tcp', 'lo');
  const hanging = captureChild(capture.pid);
  process.kill(hanging, 'SIGSTOP');
  const before = capture.mark;
  await capture.waitForLine(/^state lo deaf the capture process does not answer$/);
  await capture.waitForLine(/^state lo listening/, before);
  await server.connect('127.0.0.1', 7001);
  await capture.waitForLine(/ 7001$/);
  assert.throws(() => readlinkSync(`/proc/${hanging}/exe`), 'the one that hung is gone');
  assert.deepEqual(states(capture), ['lo listening', 'lo deaf', 'lo listening']);
  await capture.end();
});

test(
  'when a flood comes then the child lives, the parent keeps time, knocks are heard after it, and no child outlives the daemon in it',
  options,
  async () => {
    await using network = await Network.create(['server', 'client']);
    const [server, client] = [network.host('server'), network.host('client')];
    const capture = await listening(server, 'count', 'eth0');
    const child = captureChild(capture.pid);
    await client.run(['timeout', '5', 'hping3', '-q', '--flood', '--rand-source', '-S', '-p', '++1024', server.ipv4]);
    const counts = [...capture.stderr.matchAll(/^count ([0-9]+) .* restarts ([0-9]+) rss ([0-9]+) lag ([0-9]+)$/gm)];
    assert.ok(counts.length >= 4, capture.stderr);
    const most = Math.max(...counts.map(([, packets]) => Number(packets)));
    assert.ok(most > 5000, `${most} packets in the best second`);
    for (const [, , restarts, rss, lag] of counts) {
      assert.equal(restarts, '0');
      assert.ok(Number(rss) < 400, `${rss} MiB`);
      assert.ok(Number(lag) < 1000, `${lag} ms`);
    }
    assert.equal(captureChild(capture.pid), child, 'the heap of the child is whole: it is the one that we started');

    const flood = client.run([
      'timeout',
      '4',
      'hping3',
      '-q',
      '--flood',
      '--rand-source',
      '-S',
      '-p',
      '80',
      server.ipv4,
    ]);
    await capture.waitForLine(/^count [0-9]{4,} /, capture.mark);
    await capture.end('SIGKILL');
    await flood;
    assert.throws(() => readFileSync(`/proc/${child}/status`), 'the child noticed that nobody reads');
  },
);
