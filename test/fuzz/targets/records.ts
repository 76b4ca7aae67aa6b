/** The daemon's end of the capture pipe: the first byte sets how the rest is cut into chunks. */
import assert from 'node:assert/strict';
import {
  type Opened,
  RECORD_BYTES,
  RecordReader,
  type RecordSink,
  writeBound,
  writeHeartbeat,
  writeLost,
  writeOpened,
  writePacket,
} from '../../../server/capture/records.ts';
import type { Target } from '../target.ts';

class Listener implements RecordSink {
  readonly told: unknown[][] = [];
  packet(...packet: unknown[]): void {
    const [atMs, source, destination, pair, flags, tag] = packet;
    assert.ok(typeof atMs === 'number' && atMs >= 0 && Number.isFinite(atMs));
    assert.ok(typeof source === 'string' && source.length === 16);
    assert.ok(typeof destination === 'string' && destination.length === 16);
    assert.ok(typeof pair === 'number' && pair > 0 && pair < 0x20000 && (pair & 0xffff) !== 0);
    assert.ok(typeof flags === 'number' && flags >= 0 && flags <= 0xff);
    assert.ok(typeof tag === 'number' && tag >= 0 && tag <= 0xff);
    this.told.push(['packet', ...packet]);
  }
  heartbeat(heartbeat: object): void {
    for (const value of Object.values(heartbeat)) assert.ok(Number.isFinite(value) && value >= 0);
    this.told.push(['heartbeat', heartbeat]);
  }
  opened({ countsLosses, ...opened }: Opened): void {
    assert.equal(typeof countsLosses, 'boolean');
    for (const value of Object.values(opened)) assert.ok(Number.isFinite(value) && value >= 0);
    this.told.push(['opened', opened, countsLosses]);
  }
  lost(lost: object): void {
    for (const value of Object.values(lost)) assert.ok(Number.isFinite(value) && value >= 0);
    this.told.push(['lost', lost]);
  }
  bound(bound: object): void {
    for (const value of Object.values(bound)) assert.ok(Number.isFinite(value) && value >= 0);
    this.told.push(['bound', bound]);
  }
}

function read(bytes: Buffer, piece: number): { readonly told: unknown[][]; readonly sound: boolean } {
  const listener = new Listener();
  const reader = new RecordReader(listener);
  let sound = true;
  for (let at = 0; at < bytes.length; at += piece) {
    const isSound = reader.push(bytes.subarray(at, at + piece));
    assert.ok(sound || !isSound, 'what was condemned is sound again');
    sound = isSound;
  }
  return { told: listener.told, sound };
}

function run(input: Uint8Array, thorough: boolean): void {
  const bytes = Buffer.from(input.subarray(1));
  const piece = 1 + (input[0] ?? 0);
  const cut = read(bytes, piece);
  assert.ok(cut.told.length <= bytes.length / RECORD_BYTES, 'more was told than fits');
  if (cut.sound) assert.equal(cut.told.length, Math.floor(bytes.length / RECORD_BYTES));
  if (thorough) for (const other of [1, 47, 48, 49, bytes.length + 1]) assert.deepEqual(read(bytes, other), cut);
}

const sound = Buffer.alloc(RECORD_BYTES * 6);
writeOpened(sound, 0, { atMs: 1, linkType: 1, uid: 65_534, kept: 1, countsLosses: true });
writeHeartbeat(sound, RECORD_BYTES, { atMs: 2, received: 3, dropped: 0, frames: 9 });
const places = { sourceAt: 0, destinationAt: 16, pair: 7000, flags: 2, tag: 7 };
writePacket(sound, RECORD_BYTES * 2, 3, Buffer.alloc(40, 7), { ...places, family: 4 });
writePacket(sound, RECORD_BYTES * 3, 3.5, Buffer.alloc(40, 7), { ...places, family: 6, pair: 0x10035, flags: 0 });
writeLost(sound, RECORD_BYTES * 4, { atMs: 4, packets: 20 });
writeBound(sound, RECORD_BYTES * 5, { atMs: 5, number: 1, bound: 500, taken: 10, refused: 2 });

export const target: Target = {
  seeds: [0, 46, 47, 48, 99].map((piece) => Uint8Array.of(piece, ...sound)),
  maxLength: 1 + RECORD_BYTES * 8,
  run,
};
