import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  RECORD_BYTES,
  RecordReader,
  type RecordSink,
  writeBound,
  writeHeartbeat,
  writeLost,
  writeOpened,
  writePacket,
} from '../../../../server/capture/records.ts';
import { addressKeyOfBytes } from '../../../../shared/address.ts';

type Told = readonly [kind: string, ...rest: unknown[]];

function listener(): { sink: RecordSink; told: Told[] } {
  const told: Told[] = [];
  return {
    told,
    sink: {
      packet: (...packet) => told.push(['packet', ...packet]),
      heartbeat: (heartbeat) => told.push(['heartbeat', heartbeat]),
      opened: (opened) => told.push(['opened', opened]),
      lost: (lost) => told.push(['lost', lost]),
      bound: (bound) => told.push(['bound', bound]),
    },
  };
}

const atMs = fc.double({ min: 0, max: 1e12, noNaN: true }).map((value) => value + 0);
const count = fc.maxSafeNat();

interface Made {
  readonly bytes: Buffer;
  readonly told: Told;
}

const packet: fc.Arbitrary<Made> = fc
  .record({
    at: atMs,
    six: fc.boolean(),
    frame: fc.uint8Array({ minLength: 64, maxLength: 64 }),
    port: fc.integer({ min: 1, max: 0xffff }),
    udp: fc.boolean(),
    tcpFlags: fc.nat(0xff),
    tag: fc.nat(0xff),
  })
  .map(({ at, six, frame, port, udp, tcpFlags, tag }) => {
    const [pair, flags] = udp ? [port + 0x10000, 0] : [port, tcpFlags];
    const bytes = Buffer.alloc(RECORD_BYTES, 0xff);
    const size = six ? 16 : 4;
    writePacket(bytes, 0, at, Buffer.from(frame), {
      family: six ? 6 : 4,
      sourceAt: 3,
      destinationAt: 30,
      pair,
      flags,
      tag,
    });
    const [source, destination] = [3, 30].map((from) => addressKeyOfBytes(frame.subarray(from, from + size)));
    return { bytes, told: ['packet', at, source, destination, pair, flags, tag] };
  });

const heartbeat: fc.Arbitrary<Made> = fc
  .record({ atMs, received: count, dropped: count, frames: count }, { noNullPrototype: true })
  .map((beat) => {
    const bytes = Buffer.alloc(RECORD_BYTES, 0xff);
    writeHeartbeat(bytes, 0, beat);
    return { bytes, told: ['heartbeat', beat] };
  });

const opened: fc.Arbitrary<Made> = fc
  .record(
    { atMs, linkType: fc.nat(0xffff), uid: fc.nat(0xffffffff), kept: fc.nat(31), countsLosses: fc.boolean() },
    { noNullPrototype: true },
  )
  .map((open) => {
    const bytes = Buffer.alloc(RECORD_BYTES, 0xff);
    writeOpened(bytes, 0, open);
    return { bytes, told: ['opened', open] };
  });

const lost: fc.Arbitrary<Made> = fc.record({ atMs, packets: count }, { noNullPrototype: true }).map((missing) => {
  const bytes = Buffer.alloc(RECORD_BYTES, 0xff);
  writeLost(bytes, 0, missing);
  return { bytes, told: ['lost', missing] };
});

const bound: fc.Arbitrary<Made> = fc
  .record(
    { atMs, number: fc.integer({ min: 1, max: 0xffffffff }), bound: count, taken: count, refused: count },
    { noNullPrototype: true },
  )
  .map((answer) => {
    const bytes = Buffer.alloc(RECORD_BYTES, 0xff);
    writeBound(bytes, 0, answer);
    return { bytes, told: ['bound', answer] };
  });

const records = fc.array(fc.oneof(packet, heartbeat, opened, lost, bound), { maxLength: 20 });

/** Cuts `bytes` into pieces of the given sizes, over and over. */
function* cut(bytes: Buffer, sizes: readonly number[]): Generator<Buffer> {
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

const sizes = fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 8 });

test('when records are written and cut anywhere, then reading tells exactly them, in order', () => {
  fc.assert(
    fc.property(records, sizes, (made, pieces) => {
      const { sink, told } = listener();
      const reader = new RecordReader(sink);
      for (const piece of cut(Buffer.concat(made.map(({ bytes }) => bytes)), pieces)) {
        assert.equal(reader.push(piece), true);
      }
      assert.deepEqual(
        told,
        made.map((one) => one.told),
      );
    }),
    { numRuns: 1000 },
  );
});

test('when a stream leaves the format, then what came before is told and nothing after', () => {
  fc.assert(
    fc.property(records, records, fc.nat(3), sizes, (before, after, at, pieces) => {
      const wrong = Buffer.alloc(RECORD_BYTES);
      writeHeartbeat(wrong, 0, { atMs: 1, received: 0, dropped: 0, frames: 0 });
      wrong[at] = (wrong[at] ?? 0) ^ 0x80;
      const { sink, told } = listener();
      const reader = new RecordReader(sink);
      const all = Buffer.concat([...before, { bytes: wrong }, ...after].map(({ bytes }) => bytes));
      const answers = [...cut(all, pieces)].map((piece) => reader.push(piece));
      assert.equal(answers.at(-1), false);
      assert.equal(reader.push(all), false);
      assert.deepEqual(
        told,
        before.map((one) => one.told),
      );
    }),
    { numRuns: 1000 },
  );
});

test('when bytes are anything, then reading never throws and tells no more records than there is room for', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 10 }), fc.boolean(), (chunks, marked) => {
      const { sink, told } = listener();
      const reader = new RecordReader(sink);
      let bytes = 0;
      for (const chunk of chunks) {
        const buffer = Buffer.from(chunk);
        // Half of the inputs begin like records, so that the checks of the fields run too.
        if (marked)
          for (let at = 0; at + 8 <= buffer.length; at += RECORD_BYTES)
            buffer.set([0x4b, 1 + ((at / RECORD_BYTES) % 5), 0, 0], at);
        bytes += buffer.length;
        reader.push(buffer);
      }
      assert.ok(told.length <= bytes / RECORD_BYTES);
    }),
    { numRuns: 2000 },
  );
});
