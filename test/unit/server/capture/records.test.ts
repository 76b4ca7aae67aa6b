import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BATCH_RECORDS, RecordWriter } from '../../../../server/capture/child/record-writer.ts';
import {
  RECORD_BYTES,
  RecordReader,
  writeBound,
  writeHeartbeat,
  writeLost,
  writeOpened,
  writePacket,
} from '../../../../server/capture/records.ts';

const silent = { packet: () => {}, heartbeat: () => {}, opened: () => {}, lost: () => {}, bound: () => {} };

function record(write: (bytes: Buffer) => void): Buffer {
  const bytes = Buffer.alloc(RECORD_BYTES);
  write(bytes);
  return bytes;
}

const frame = Buffer.alloc(64, 1);
const PLACES = { family: 4, sourceAt: 0, destinationAt: 4, pair: 8000, flags: 0x02, tag: 0 } as const;
const packet = record((bytes) => writePacket(bytes, 0, 5, frame, PLACES));
const heartbeat = record((bytes) => writeHeartbeat(bytes, 0, { atMs: 5, received: 1, dropped: 0, frames: 1 }));
const opened = record((bytes) =>
  writeOpened(bytes, 0, { atMs: 5, linkType: 1, uid: 65_534, kept: 0, countsLosses: true }),
);

const bound = record((bytes) => writeBound(bytes, 0, { atMs: 5, number: 1, bound: 9, taken: 1, refused: 0 }));
const lost = record((bytes) => writeLost(bytes, 0, { atMs: 5, packets: 3 }));

function bent(original: Buffer, bend: (bytes: Buffer) => void): Buffer {
  const bytes = Buffer.from(original);
  bend(bytes);
  return bytes;
}

const wrong: [reason: string, bytes: Buffer][] = [
  ['no mark', bent(packet, (bytes) => bytes.writeUInt8(0, 0))],
  ['an unknown type', bent(packet, (bytes) => bytes.writeUInt8(6, 1))],
  ['an answer to no order', bent(bound, (bytes) => bytes.writeUInt32LE(0, 4))],
  ['an answer with flags', bent(bound, (bytes) => bytes.writeUInt8(1, 2))],
  ['an answer with a tail', bent(bound, (bytes) => bytes.writeDoubleLE(1, 40))],
  ['an answer with half a port', bent(bound, (bytes) => bytes.writeDoubleLE(0.5, 16))],
  ['a heartbeat with a tag', bent(heartbeat, (bytes) => bytes.writeUInt8(1, 3))],
  ['a loss with a tag', bent(lost, (bytes) => bytes.writeUInt8(0xff, 3))],
  ['a loss with a value', bent(lost, (bytes) => bytes.writeUInt32LE(1, 4))],
  ['a loss with a tail', bent(lost, (bytes) => bytes.writeDoubleLE(1, 24))],
  ['a negative loss', bent(lost, (bytes) => bytes.writeDoubleLE(-1, 16))],
  ['a datagram with TCP flags', bent(packet, (bytes) => bytes.writeUInt32LE(0x10000 + 8000, 4))],
  ['a heartbeat with flags', bent(heartbeat, (bytes) => bytes.writeUInt8(1, 2))],
  ['an opening with flags', bent(opened, (bytes) => bytes.writeUInt8(1, 2))],
  ['port 0', bent(packet, (bytes) => bytes.writeUInt32LE(0x10000, 4))],
  ['a pair out of range', bent(packet, (bytes) => bytes.writeUInt32LE(0x20001, 4))],
  ['a time that is none', bent(packet, (bytes) => bytes.writeDoubleLE(Number.NaN, 8))],
  ['a time before the start', bent(packet, (bytes) => bytes.writeDoubleLE(-1, 8))],
  ['an endless time', bent(packet, (bytes) => bytes.writeDoubleLE(Number.POSITIVE_INFINITY, 8))],
  ['a negative count', bent(heartbeat, (bytes) => bytes.writeDoubleLE(-1, 24))],
  ['a broken count', bent(heartbeat, (bytes) => bytes.writeDoubleLE(0.5, 16))],
  ['a heartbeat with a value', bent(heartbeat, (bytes) => bytes.writeUInt32LE(1, 4))],
  ['a heartbeat with a tail', bent(heartbeat, (bytes) => bytes.writeDoubleLE(1, 40))],
  ['privileges that we do not know', bent(opened, (bytes) => bytes.writeDoubleLE(256, 24))],
  ['an answer about losses that is none', bent(opened, (bytes) => bytes.writeDoubleLE(2, 32))],
  ['a link type out of range', bent(opened, (bytes) => bytes.writeUInt32LE(0x10000, 4))],
];

for (const [reason, bytes] of wrong) {
  test(`when a record is wrong (${reason}), then the stream is broken for good`, () => {
    const reader = new RecordReader(silent);
    assert.equal(reader.push(packet), true);
    assert.equal(reader.push(bytes), false);
    assert.equal(reader.push(packet), false);
  });
}

/** A pipe with a set capacity that remembers what it took. */
function pipe(): { taken: Buffer[]; room: number; write: (bytes: Buffer, from: number, to: number) => number } {
  const it = {
    taken: [] as Buffer[],
    room: Number.POSITIVE_INFINITY,
    write(bytes: Buffer, from: number, to: number): number {
      const size = Math.min(it.room, to - from);
      it.room -= size;
      if (size > 0) it.taken.push(Buffer.from(bytes.subarray(from, from + size)));
      return size;
    },
  };
  return it;
}

function put(writer: RecordWriter, value: number, nowMs: number): boolean {
  const slot = writer.slot(nowMs);
  if (slot < 0) return false;
  writeHeartbeat(writer.bytes, slot, { atMs: nowMs, received: value, dropped: 0, frames: 0 });
  return true;
}

function values(taken: readonly Buffer[]): number[] {
  const read: number[] = [];
  const reader = new RecordReader({ ...silent, heartbeat: ({ received }) => read.push(received) });
  for (const chunk of taken) assert.equal(reader.push(chunk), true);
  return read;
}

test('when a batch is full, then it goes to the pipe in one write', () => {
  const end = pipe();
  const writer = new RecordWriter(end.write);
  for (let value = 0; value < BATCH_RECORDS; value += 1) put(writer, value, 0);
  assert.equal(writer.full, true);
  assert.equal(end.taken.length, 0);
  writer.flush(0);
  assert.equal(end.taken.length, 1);
  assert.equal(writer.waiting, false);
  assert.equal(values(end.taken).length, BATCH_RECORDS);
});

test('when the pipe takes part of a record and then nothing, then new records are lost and the stream stays in step', () => {
  const end = pipe();
  end.room = 100;
  const writer = new RecordWriter(end.write);
  const accepted: number[] = [];
  let now = 0;
  for (let value = 0; value < 500; value += 1) {
    now += 1;
    if (put(writer, value, now)) accepted.push(value);
    if (writer.full) writer.flush(now);
  }
  assert.ok(accepted.length >= BATCH_RECORDS && accepted.length < 100, `${accepted.length} kept`);
  end.room = Number.POSITIVE_INFINITY;
  writer.flush(now + 10);
  assert.equal(put(writer, 1000, now + 10), true);
  writer.flush(now + 10);
  assert.deepEqual(values(end.taken), [...accepted, 1000]);
});

test('when the pipe has just refused, then it is not asked again at once', () => {
  let asked = 0;
  const writer = new RecordWriter(() => {
    asked += 1;
    return 0;
  });
  put(writer, 1, 0);
  for (let turn = 0; turn < 100; turn += 1) writer.flush(0.01 * turn);
  assert.equal(asked, 1);
  writer.flush(10);
  assert.equal(asked, 2);
});
