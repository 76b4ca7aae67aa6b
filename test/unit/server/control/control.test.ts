import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { askDaemon, askIfRunning } from '../../../../server/control/control-client.ts';
import { controlSocketPath, MAX_REQUEST_BYTES, type Request } from '../../../../server/control/control-requests.ts';
import { type ControlListener, listenForControl } from '../../../../server/control/control-server.ts';
import { KnockError } from '../../../../shared/errors.ts';

const folder = mkdtempSync(join(tmpdir(), 'knock-otp-control-'));
const asked: Request[] = [];
let listener: ControlListener;

before(async () => {
  listener = await listenForControl(folder, async (request) => {
    asked.push(request);
    if (request === 'accept-clock') throw new KnockError('STORE', 'no space left on device');
    if (request === 'reload-clients') throw new TypeError('a bug with details nobody should see');
    return { healthy: true };
  });
});

after(async () => {
  await listener.close();
  rmSync(folder, { recursive: true });
});

/** Sends bytes unchanged and returns everything received until the end. */
async function raw(bytes: string): Promise<string> {
  const socket = createConnection(controlSocketPath(folder));
  let answer = '';
  socket.setEncoding('utf8').on('data', (text: string) => {
    answer += text;
  });
  socket.on('error', () => undefined);
  socket.write(bytes);
  await once(socket, 'close');
  return answer;
}

test('a request is answered', async () => {
  assert.deepEqual(await askDaemon(folder, 'status'), { healthy: true });
});

test('only the owner can reach the socket', () => {
  assert.equal(statSync(controlSocketPath(folder)).mode & 0o777, 0o600);
});

test('an error of ours comes across with its code and message', async () => {
  await assert.rejects(askDaemon(folder, 'accept-clock'), { code: 'STORE', message: 'no space left on device' });
});

test('an unexpected error says nothing of itself', async () => {
  await assert.rejects(askDaemon(folder, 'reload-clients'), {
    code: 'CONTROL',
    message: 'the daemon failed to answer',
  });
});

for (const line of ['', '{', 'null', '[]', '{"request":"shutdown"}', '{"request":["status"]}', '"status"', '\u0000']) {
  test(`the line ${JSON.stringify(line)} is refused and asks nothing`, async () => {
    const before = asked.length;
    assert.deepEqual(JSON.parse(await raw(`${line}\n`)), {
      ok: false,
      code: 'CONTROL',
      message: 'the daemon does not know this request',
    });
    assert.equal(asked.length, before);
  });
}

test('a line without an end is cut off at its limit', async () => {
  assert.equal(await raw('x'.repeat(MAX_REQUEST_BYTES + 1)), '');
});

test('when many askers say more behind their line and stay, then the next one is answered all the same', async () => {
  const stubborn = await Promise.all(
    Array.from({ length: 16 }, async () => {
      const socket = createConnection({ path: controlSocketPath(folder), allowHalfOpen: true });
      socket.on('error', () => undefined);
      socket.write('{"request":"status"}\n');
      await once(socket, 'data');
      socket.write('and more');
      return socket;
    }),
  );
  for (const socket of stubborn) socket.end();
  await Promise.all(stubborn.map((socket) => once(socket, 'close')));
  assert.deepEqual(await askDaemon(folder, 'status'), { healthy: true });
});

test('when no daemon listens then asking says so, and asking if one runs says undefined', async () => {
  const empty = mkdtempSync(join(tmpdir(), 'knock-otp-control-'));
  await assert.rejects(askDaemon(empty, 'status'), (error) => error instanceof KnockError && error.code === 'CONTROL');
  assert.equal(await askIfRunning(empty, 'status'), undefined);
  rmSync(empty, { recursive: true });
});

test('when a dead daemon left its socket then the next one listens all the same', async () => {
  const left = mkdtempSync(join(tmpdir(), 'knock-otp-control-'));
  const first = await listenForControl(left, async () => 1);
  await first.close();
  const second = await listenForControl(left, async () => 2);
  assert.equal(await askDaemon(left, 'status'), 2);
  await second.close();
  rmSync(left, { recursive: true });
});

test('an answer that is none of ours is an error, not a crash', async () => {
  const strange = mkdtempSync(join(tmpdir(), 'knock-otp-control-'));
  const server = createServer((socket) => socket.end('hello\n'));
  server.listen(controlSocketPath(strange));
  await once(server, 'listening');
  await assert.rejects(askDaemon(strange, 'status'), { code: 'CONTROL' });
  server.close();
  rmSync(strange, { recursive: true });
});

test('a state directory too deep for a socket is refused with a hint', () => {
  assert.throws(() => controlSocketPath(`/${'d'.repeat(120)}`), {
    code: 'CONTROL',
    hint: 'choose a shorter state_dir',
  });
});
