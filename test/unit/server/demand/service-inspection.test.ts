/** Reading the state of services: real sockets of this process, and login records. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readLastLogin, readPortUses } from '../../../../server/demand/service-inspection.ts';
import { describeService } from '../../../../server/demand/service-text.ts';

const skip = process.platform === 'linux' ? false : 'no /proc/net here';

for (const host of ['127.0.0.1', '::1']) {
  test(`when somebody listens on ${host} and is connected to then both are seen, and not of other ports`, {
    skip,
  }, async () => {
    const server = createServer();
    server.listen(0, host);
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    assert.deepEqual((await readPortUses(new Set([port]))).get(port), { listening: true, connections: 0 });
    const socket = connect(port, host);
    const [[accepted]] = await Promise.all([once(server, 'connection'), once(socket, 'connect')]);
    assert.deepEqual((await readPortUses(new Set([port]))).get(port), { listening: true, connections: 1 });
    server.close();
    assert.deepEqual((await readPortUses(new Set([port]))).get(port), { listening: false, connections: 1 });
    assert.equal((await readPortUses(new Set([1]))).get(port), undefined);
    socket.destroy();
    accepted.destroy();
  });
}

test('when the connections cannot be read then that is an error, and a kernel without IPv6 is none', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'knock-otp-looks-'));
  await assert.rejects(readPortUses(new Set([22]), dir));
  await writeFile(join(dir, 'tcp'), '  sl  local_address rem_address   st\n   0: 0100007F:0016 00000000:0000 0A 0\n');
  assert.deepEqual((await readPortUses(new Set([22]), dir)).get(22), { listening: true, connections: 0 });
  await rm(dir, { recursive: true });
});

test('when logins are recorded then the last one by a terminal is found, whatever stands between', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'knock-otp-looks-'));
  const path = join(dir, 'wtmp');
  const record = (type: number, seconds: number) => {
    const bytes = Buffer.alloc(384);
    bytes.writeInt16LE(type, 0);
    bytes.writeUInt32LE(seconds, 340);
    return bytes;
  };
  await writeFile(path, Buffer.concat([record(7, 1_000), record(7, 3_000), record(8, 4_000), record(2, 5_000)]));
  assert.equal(await readLastLogin(path, 'x64'), 3_000_000);
  await writeFile(path, '');
  assert.equal(await readLastLogin(path, 'x64'), undefined);
  assert.equal(await readLastLogin(path, 'arm64'), undefined);
  await assert.rejects(readLastLogin(join(dir, 'none'), 'x64'));
  await rm(dir, { recursive: true });
});

test('when a service is described then its state, use and end are in the words', () => {
  assert.equal(describeService({ door: 'ssh', state: 'stopped' }, 0), 'does not run');
  assert.equal(
    describeService(
      { door: 'ssh', state: 'running', since: 0, connections: 0, idleSeconds: 30, stopsInSeconds: 3570 },
      90_000,
    ),
    'has run for 90 s, 0 connections, idle for 30 s, stops in 60 min',
  );
  assert.match(describeService({ door: 'ssh', state: 'other' }, 0), /did not start it/);
  assert.match(describeService({ door: 'ssh', state: 'unknown' }, 0), /cannot/);
  assert.equal(
    describeService({ door: 'ssh', state: 'running', since: 0, connections: 1 }, 5_000),
    'has run for 5 s, 1 connection',
  );
});
