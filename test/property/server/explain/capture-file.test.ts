/** The reader of capture files, on both formats, both byte orders, all time resolutions, and random bytes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LINK_TYPES } from '../../../../server/core/packet/link-layer.ts';
import { decodePacket } from '../../../../server/core/packet/packet.ts';
import { packetView } from '../../../../server/core/packet/packet-view.ts';
import { whyRefused } from '../../../../server/core/packet/refused-packet.ts';
import { type CapturedPacket, readCapture, type Take } from '../../../../server/explain/capture-file.ts';

function takeFrom(bytes: Uint8Array): Take {
  let at = 0;
  return (length) => {
    if (at + length > bytes.length) return undefined;
    at += length;
    return bytes.subarray(at - length, at);
  };
}

function read(bytes: Uint8Array): { packets: CapturedPacket[]; end: string | undefined } {
  const reader = readCapture(takeFrom(bytes));
  const packets: CapturedPacket[] = [];
  let next = reader.next();
  for (; next.done !== true; next = reader.next()) packets.push(next.value);
  return { packets, end: next.value };
}

/** Numbers of 2, 4 or 8 bytes, and raw bytes. */
type Field = readonly [2 | 4 | 8, number | bigint] | Uint8Array;

function bytesOf(fields: readonly Field[], littleEndian: boolean): Buffer {
  const parts = fields.map((field) => {
    if (field instanceof Uint8Array) return Buffer.from(field);
    const [size, value] = field;
    const bytes = Buffer.alloc(size);
    if (size === 8) bytes.writeBigUInt64BE(BigInt(value));
    else bytes.writeUIntBE(Number(value), 0, size);
    return littleEndian ? bytes.reverse() : bytes;
  });
  return Buffer.concat(parts);
}

interface Sent {
  /** Nanoseconds since 1970. */
  readonly at: bigint;
  readonly frame: Uint8Array;
}

function pcap(sent: readonly Sent[], link: number, littleEndian: boolean, nano: boolean): Buffer {
  const header: Field[] = [
    [4, nano ? 0xa1b23c4d : 0xa1b2c3d4],
    [2, 2],
    [2, 4],
    [4, 0],
    [4, 0],
    [4, 65_535],
    [4, link],
  ];
  const records = sent.flatMap(({ at, frame }): Field[] => {
    const fraction = (at % 1_000_000_000n) / (nano ? 1n : 1000n);
    return [[4, at / 1_000_000_000n], [4, fraction], [4, frame.length], [4, frame.length], frame];
  });
  return bytesOf([...header, ...records], littleEndian);
}

function block(type: number, body: readonly Field[], littleEndian: boolean): Buffer {
  const content = bytesOf(body, littleEndian);
  const padded = Buffer.concat([content, Buffer.alloc((4 - (content.length % 4)) % 4)]);
  const length = padded.length + 12;
  return bytesOf([[4, type], [4, length], padded, [4, length]], littleEndian);
}

function pcapng(sent: readonly Sent[], link: number, littleEndian: boolean, resolution: number | undefined): Buffer {
  const options: Field[] =
    resolution === undefined
      ? []
      : [[2, 2], [2, 3], Buffer.from('lo\0\0'), [2, 9], [2, 1], Buffer.from([resolution, 0, 0, 0])];
  const units = resolution === 9 ? 1n : 1000n;
  const packets = sent.map(({ at, frame }) => {
    const stamp = at / units;
    return block(
      6,
      [[4, 0], [4, stamp >> 32n], [4, stamp & 0xffffffffn], [4, frame.length], [4, frame.length], frame],
      littleEndian,
    );
  });
  return Buffer.concat([
    block(
      0x0a0d0d0a,
      [
        [4, 0x1a2b3c4d],
        [2, 1],
        [2, 0],
        [8, 0xffffffffffffffffn],
      ],
      littleEndian,
    ),
    block(4, [[4, 1]], littleEndian),
    block(1, [[2, link], [2, 0], [4, 0], ...options, [2, 0], [2, 0]], littleEndian),
    ...packets,
  ]);
}

const sentPackets = fc.array(
  fc.record({
    // Whole microseconds, the coarsest resolution.
    at: fc.bigInt({ min: 0n, max: 4_000_000_000_000_000n }).map((us) => us * 1000n),
    frame: fc.uint8Array({ maxLength: 200 }),
  }),
  { maxLength: 5 },
);

test('what was written is read, whatever the format, its byte order and its resolution', () => {
  fc.assert(
    fc.property(sentPackets, fc.boolean(), fc.constantFrom(...LINK_TYPES), (sent, littleEndian, link) => {
      const files = [
        ...[true, false].map((nano) => pcap(sent, link, littleEndian, nano)),
        ...[undefined, 6, 9].map((resolution) => pcapng(sent, link, littleEndian, resolution)),
      ];
      for (const file of files) {
        const { packets, end } = read(file);
        assert.equal(end, undefined);
        assert.deepEqual(
          packets.map(({ frame, linkType }) => ({ frame: Buffer.from(frame), linkType })),
          sent.map(({ frame }) => ({ frame: Buffer.from(frame), linkType: link })),
        );
        for (const [at, { atMs }] of packets.entries()) {
          assert.ok(Math.abs(atMs - Number((sent[at]?.at ?? 0n) / 1000n) / 1000) < 0.01, `${atMs}`);
        }
      }
    }),
    { numRuns: 50 },
  );
});

test('any bytes, also those of a file with some of them changed or cut off, come to an end without a throw', () => {
  const seeds = [pcap([{ at: 5_000n, frame: Buffer.alloc(60, 7) }], 1, true, false)];
  seeds.push(pcapng([{ at: 5_000n, frame: Buffer.alloc(60, 7) }], 1, true, 9));
  const bent = fc
    .tuple(fc.constantFrom(...seeds), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 }), fc.nat())
    .map(([seed, changes, cut]) => {
      const bytes = Buffer.from(seed);
      for (const [at, value] of changes) bytes[at % bytes.length] = value;
      return bytes.subarray(0, bytes.length - (cut % 40));
    });
  fc.assert(
    fc.property(fc.oneof(bent, fc.uint8Array({ maxLength: 300 })), (bytes) => {
      const { packets, end } = read(bytes);
      assert.ok(end === undefined || /^[ -~]+$/.test(end));
      assert.ok(packets.length <= bytes.length);
      for (const { frame, atMs } of packets) assert.ok(frame.length <= bytes.length && Number.isFinite(atMs));
    }),
    { numRuns: 5_000 },
  );
});

test('a packet that claims to be larger than the file, or than any, ends the reading and says where', () => {
  const file = pcap([{ at: 0n, frame: Buffer.alloc(60) }], 1, true, false);
  assert.equal(read(file.subarray(0, -1)).end, 'the file ends within packet 1');
  file.writeUInt32LE(0xffffffff, 24 + 8);
  assert.match(read(file).end ?? '', /^damaged after packet 0: a packet of 4294967295 bytes$/);
  assert.match(read(Buffer.from('GIF89a')).end ?? '', /neither pcap nor pcapng/);
  assert.match(read(Buffer.alloc(0)).end ?? '', /empty/);
});

test('why the decoder refused is told for any bytes on any link, and reads nothing behind their end', () => {
  const view = packetView();
  fc.assert(
    fc.property(fc.constantFrom(...LINK_TYPES, 999), fc.uint8Array({ maxLength: 120 }), (link, frame) => {
      if (decodePacket(link, frame, frame.length, view)) return;
      const { why, known } = whyRefused(link, frame, frame.length, view);
      assert.match(why, /^[ -~]+$/);
      const size = view.family === 4 ? 4 : 16;
      if (known !== 'nothing') assert.ok(Math.max(view.sourceAt, view.destinationAt) + size <= frame.length);
    }),
    { numRuns: 5_000 },
  );
});
