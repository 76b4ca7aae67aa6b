/**
 * The control socket: a real listener, and a stranger who writes any bytes, in pieces of the size of the first byte.
 * The stranger gets no answer or one valid answer, and the next proper request is answered.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { askDaemon } from '../../../server/control/control-client.ts';
import { MAX_REQUEST_BYTES, parseAnswer, parseRequest } from '../../../server/control/control-requests.ts';
import { type ControlListener, listenForControl } from '../../../server/control/control-server.ts';
import { KnockError } from '../../../shared/errors.ts';
import type { Target } from '../target.ts';

let directory = '';
let listener: ControlListener | undefined;
let asked = 0;

async function answer(request: string): Promise<unknown> {
  asked += 1;
  if (request === 'accept-clock') throw new KnockError('STORE', 'the disk is full');
  if (request === 'reload-clients') throw new Error('a bug');
  return { request };
}

async function run(input: Uint8Array, thorough: boolean): Promise<void> {
  const bytes = Buffer.from(input.subarray(1));
  asked = 0;
  const said = await exchange(bytes, 1 + (input[0] ?? 0) * 16);
  const text = new TextDecoder().decode(bytes);
  const line = text.includes('\n') ? text.slice(0, text.indexOf('\n')) : undefined;
  if (said === '') assert.equal(asked, 0, 'asked and not answered');
  else {
    assert.match(said, /^[^\n]+\n$/);
    parseAnswer(said);
    assert.ok(line !== undefined, 'answered before a line was there');
    assert.equal(asked, parseRequest(line) === undefined ? 0 : 1);
  }
  if (text.length <= MAX_REQUEST_BYTES && line !== undefined) assert.notEqual(said, '', 'a line without an answer');
  if (thorough) assert.deepEqual(await askDaemon(directory, 'status'), { request: 'status' });
  parsesTotally(text);
}

function parsesTotally(text: string): void {
  try {
    parseAnswer(text);
  } catch (error) {
    assert.ok(error instanceof KnockError && error.code === 'CONTROL');
  }
}

function exchange(bytes: Buffer, piece: number): Promise<string> {
  return new Promise((resolve) => {
    let said = '';
    const socket = createConnection(join(directory, 'control.sock'), () => {
      for (let at = 0; at < bytes.length; at += piece) socket.write(bytes.subarray(at, at + piece));
      // A client without a complete line hangs up, so that the listener need not wait.
      if (!bytes.includes(0x0a)) socket.end();
    });
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      said += chunk;
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => resolve(said));
  });
}

export const target: Target = {
  seeds: [
    '\xff{"request":"status"}\n',
    '\x00{"request":"accept-clock"}\n{"request":"status"}\n',
    '\xff{"request":"reload-clients"}\n',
    '\xff{"request":["status"]}\n',
    '\xff{"ok":false,"code":"STORE","message":"x"}\n',
    '\xff{"ok":true,"result":{"a":[1]}}\n',
    `\xff${'x'.repeat(MAX_REQUEST_BYTES + 10)}`,
  ].map((text) => Buffer.from(text, 'latin1')),
  maxLength: MAX_REQUEST_BYTES + 200,
  run,
  begin: async () => {
    directory = mkdtempSync(join(tmpdir(), 'knock-otp-fuzz-'));
    listener = await listenForControl(directory, answer);
  },
  end: async () => {
    await listener?.close();
    rmSync(directory, { recursive: true });
  },
};
