import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LINK_TYPES } from '../../../../server/core/packet/link-layer.ts';
import { decodePacket } from '../../../../server/core/packet/packet.ts';
import { packetView } from '../../../../server/core/packet/packet-view.ts';
import { pairOf } from '../../../../shared/knock.ts';
import { ethernet, extension, ipv4, ipv6, nflog, sll, sll2, tcp, udp } from '../../../support/core/crafted-frames.ts';

const linkType = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom(...LINK_TYPES) },
  { weight: 1, arbitrary: fc.nat(300) },
);

const address4 = fc
  .tuple(fc.integer({ min: 1, max: 223 }), fc.nat(255), fc.nat(255), fc.nat(255))
  .map((bytes) => [...bytes]);
const address6 = fc.uint8Array({ minLength: 15, maxLength: 15 }).map((bytes) => [0x20, ...bytes]);

interface Sent {
  readonly linkType: number;
  readonly frame: number[];
  readonly source: number[];
  readonly destination: number[];
  readonly pair: number;
}

/** Valid packets in valid frames of every kind, with their content. */
const sent: fc.Arbitrary<Sent> = fc
  .record({
    six: fc.boolean(),
    protocol: fc.constantFrom('tcp', 'udp'),
    port: fc.integer({ min: 1, max: 65_535 }),
    source4: address4,
    destination4: address4,
    source6: address6,
    destination6: address6,
    options: fc.nat(10).map((words) => words * 4),
    units: fc.nat(20),
    extensions: fc.array(fc.constantFrom(60, 43), { maxLength: 7 }),
    tags: fc.array(fc.constantFrom(0x8100, 0x88a8, 0x9100), { maxLength: 3 }),
    padding: fc.nat(46),
    link: fc.constantFrom('ethernet', 'sll', 'sll2', 'null', 'loop', 'raw', 'nflog'),
  })
  .map((made) => {
    const transport = made.protocol === 'tcp' ? tcp(made.port) : udp(made.port, [1, 2, 3]);
    const number = made.protocol === 'tcp' ? 6 : 17;
    const source = made.six ? made.source6 : made.source4;
    const destination = made.six ? made.destination6 : made.destination4;
    const headers = made.extensions.flatMap((_, index) => extension(made.extensions[index + 1] ?? number, made.units));
    const packet = made.six
      ? ipv6([...headers, ...transport], { source, destination, next: made.extensions[0] ?? number })
      : ipv4(transport, { source, destination, protocol: number, options: made.options });
    const [type, frame] = wrapped(made.link, packet, made.tags);
    // Padding after the packet must not matter; in NFLOG it would be an attribute.
    const padded = made.link === 'nflog' ? frame : [...frame, ...new Array<number>(made.padding).fill(0xee)];
    return {
      linkType: type,
      frame: padded,
      source,
      destination,
      pair: pairOf(made.protocol as 'tcp' | 'udp', made.port),
    };
  });

function wrapped(link: string, packet: number[], tags: number[]): [linkType: number, frame: number[]] {
  const six = (packet[0] ?? 0) >> 4 === 6;
  switch (link) {
    case 'ethernet':
      return [1, ethernet(packet, tags)];
    case 'sll':
      return [113, sll(packet, 0, 1, tags)];
    case 'sll2':
      return [276, sll2(packet)];
    case 'null':
      return [0, [six ? 10 : 2, 0, 0, 0, ...packet]];
    case 'loop':
      return [108, [0, 0, 0, six ? 24 : 2, ...packet]];
    case 'nflog':
      return [239, nflog(packet)];
    default:
      return [101, packet];
  }
}

/** The decoder's result for `length` bytes at the start of a buffer that is filled up with `fill`. */
function verdict(type: number, bytes: Uint8Array, fill: number): unknown {
  const frame = new Uint8Array(bytes.length + 128).fill(fill);
  frame.set(bytes);
  const view = packetView();
  return decodePacket(type, frame, bytes.length, view) ? view : undefined;
}

test('when a packet is encoded in any frame, then decoding gives back what was encoded', () => {
  fc.assert(
    fc.property(sent, ({ linkType: type, frame, source, destination, pair }) => {
      const bytes = Uint8Array.from(frame);
      const view = packetView();
      assert.equal(decodePacket(type, bytes, bytes.length, view), true);
      assert.equal(view.pair, pair);
      assert.equal(view.flags, pair < 0x10000 ? 0x02 : 0);
      assert.equal(view.family, source.length === 4 ? 4 : 6);
      assert.deepEqual([...bytes.subarray(view.sourceAt, view.sourceAt + source.length)], source);
      assert.deepEqual([...bytes.subarray(view.destinationAt, view.destinationAt + destination.length)], destination);
    }),
    { numRuns: 2000 },
  );
});

/** Random bytes, and valid frames with changed bytes and a cut end, which get further into the decoder. */
const bent = fc.oneof(
  fc.record({ type: linkType, bytes: fc.uint8Array({ maxLength: 200 }) }),
  fc
    .tuple(
      sent,
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
    )
    .map(([honest, changes, part]) => {
      const bytes = Uint8Array.from(honest.frame);
      for (const [at, value] of changes) bytes[at % bytes.length] = value;
      return { type: honest.linkType, bytes: bytes.slice(0, Math.ceil(bytes.length * (part < 0.5 ? 1 : part))) };
    }),
);

test('when bytes are anything, then decoding returns, and what it points at lies within them', () => {
  fc.assert(
    fc.property(bent, ({ type, bytes }) => {
      const view = packetView();
      if (!decodePacket(type, bytes, bytes.length, view)) return;
      const size = view.family === 4 ? 4 : 16;
      assert.ok(view.at >= 0 && view.end <= bytes.length && view.at < view.end);
      assert.ok(view.sourceAt >= view.at && view.destinationAt + size <= view.end);
      assert.ok((view.pair & 0xffff) !== 0 && view.pair < 0x20000);
    }),
    { numRuns: 20_000 },
  );
});

test('when bytes of an earlier packet lie behind the frame, then they never change the verdict', () => {
  fc.assert(
    fc.property(bent, ({ type, bytes }) => {
      assert.deepEqual(verdict(type, bytes, 0xaa), verdict(type, bytes, 0x55));
    }),
    { numRuns: 20_000 },
  );
});
