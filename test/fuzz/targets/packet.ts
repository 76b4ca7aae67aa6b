/**
 * The packet decoder, with frames of every link type. The first byte chooses the link type, the second whether the
 * decoder reports every TCP packet. The rest is the frame, inside a larger buffer with bytes of an earlier packet.
 */
import assert from 'node:assert/strict';
import { RECORD_BYTES, RecordReader, writePacket } from '../../../server/capture/records.ts';
import { LINK_TYPES } from '../../../server/core/packet/link-layer.ts';
import { addressAt, decodePacket } from '../../../server/core/packet/packet.ts';
import { type PacketView, packetView } from '../../../server/core/packet/packet-view.ts';
import {
  attribute,
  authenticationHeader,
  ethernet,
  extension,
  fragmentHeader,
  ipv4,
  ipv6,
  nflog,
  sll,
  sll2,
  tcp,
  udp,
} from '../../support/core/crafted-frames.ts';
import type { Target } from '../target.ts';

const MAX_FRAME = 254;
/** The number of bytes behind the frame: any field that is read too far ends in them. */
const BEHIND = 64;
const first = new Uint8Array(MAX_FRAME + BEHIND);
const second = Buffer.alloc(MAX_FRAME + BEHIND);
/** The bytes behind the frame: each byte and its opposite, with valid continuations of a cut header among them. */
const behind = Uint8Array.from(
  { length: MAX_FRAME + BEHIND },
  (_, at) => [0x45, 0x00, 0x06, 0x02, 0x50, 0x11][at % 6] ?? 0,
);
const opposite = behind.map((byte) => ~byte);
const views: readonly [PacketView, PacketView] = [packetView(), packetView()];
const FIELDS = ['at', 'end', 'family', 'sourceAt', 'destinationAt', 'pair', 'flags'] as const;

function run(input: Uint8Array, thorough: boolean): void {
  const choice = (input[0] ?? 0) % (LINK_TYPES.length + 1);
  const linkType = LINK_TYPES[choice] ?? 300 + choice;
  const anyTcp = ((input[1] ?? 0) & 1) === 1;
  const frame = input.subarray(2);
  const { length } = frame;
  first.set(frame);
  first.set(behind.subarray(length), length);
  second.set(frame);
  second.set(opposite.subarray(length), length);
  const [one, other] = views;
  one.anyTcp = anyTcp;
  other.anyTcp = anyTcp;
  const isKnock = decodePacket(linkType, first, length, one);
  assert.equal(decodePacket(linkType, second, length, other), isKnock, 'the verdict depends on bytes behind the frame');
  if (isKnock) {
    for (const field of FIELDS) {
      if (one[field] !== other[field]) assert.fail(`${field} depends on bytes behind the frame`);
    }
    checkPlaces(one, length);
  }
  if (thorough) checkThoroughly(linkType, frame, isKnock, one);
}

function checkPlaces(view: PacketView, length: number): void {
  const { at, end, family, sourceAt, destinationAt, pair, flags } = view;
  const size = family === 4 ? 4 : 16;
  const inside = at >= 0 && sourceAt > at && destinationAt === sourceAt + size && destinationAt + size < end;
  if (!inside || end > length) assert.fail(`places outside of ${length} bytes: ${JSON.stringify(view)}`);
  const port = pair & 0xffff;
  if (port === 0 || pair > 0x1ffff || flags > 0xff) assert.fail(`no pair: ${pair} with flags ${flags}`);
  if (pair < 0x10000 && !view.anyTcp && (flags & 0x12) !== 0x02) assert.fail(`flags ${flags} open no connection`);
}

/** Checks every single read, that the frame is unchanged, and that the reported values survive the pipe. */
function checkThoroughly(linkType: number, frame: Uint8Array, isKnock: boolean, view: PacketView): void {
  const before = frame.slice();
  const guarded = new Proxy(frame, {
    get: (bytes, key) => {
      if (key === 'length') return bytes.length;
      const at = Number(key);
      if (!Number.isInteger(at) || at < 0 || at >= bytes.length) assert.fail(`reads ${String(key)} of ${bytes.length}`);
      return bytes[at];
    },
    set: () => assert.fail('writes into the frame'),
  });
  const seen = { ...packetView(), anyTcp: view.anyTcp };
  assert.equal(decodePacket(linkType, guarded, frame.length, seen), isKnock);
  assert.deepEqual(frame, before);
  // A false length: the decoder stops at the end of the frame.
  assert.equal(decodePacket(linkType, frame, frame.length + 9, { ...seen }), isKnock);
  if (!isKnock) return;
  assert.deepEqual(seen, view);
  const [source, destination] = [view.sourceAt, view.destinationAt].map((at) => addressAt(frame, at, view.family));
  const record = Buffer.alloc(RECORD_BYTES);
  writePacket(record, 0, 1, Buffer.from(frame), view);
  const told: unknown[] = [];
  const reader = new RecordReader({
    packet: (...packet) => told.push(packet),
    heartbeat: () => assert.fail('a packet became a heartbeat'),
    opened: () => assert.fail('a packet became an opening'),
    lost: () => assert.fail('a packet became a loss'),
    bound: () => assert.fail('a packet became an answer'),
  });
  assert.equal(reader.push(record), true);
  assert.deepEqual(told, [[1, source, destination, view.pair, view.flags, view.tag]]);
}

const packets = [
  ipv4(tcp(7000)),
  ipv4(udp(53, [1, 2]), { protocol: 17, options: 8 }),
  ipv6(tcp(7000)),
  ipv6([...extension(60), ...extension(43), ...fragmentHeader(51, 0), ...authenticationHeader(6), ...tcp(9)], {
    next: 0,
  }),
  ipv6(udp(53), { next: 17 }),
];
const framed: readonly (readonly [number, readonly number[]])[] = packets.flatMap((packet) => {
  const six = packet[0] === 0x60;
  return [
    [1, ethernet(packet)],
    [1, ethernet(packet, [0x88a8, 0x8100, 0x9100])],
    [113, sll(packet, 0, 1, [0x8100])],
    [276, sll2(packet)],
    [0, [six ? 30 : 2, 0, 0, 0, ...packet]],
    [108, [0, 0, 0, six ? 24 : 2, ...packet]],
    [101, packet],
    [12, packet],
    [six ? 229 : 228, packet],
    [239, nflog(packet)],
    [239, [six ? 10 : 2, 0, 0, 5, ...attribute(1, []), ...attribute(9, packet)]],
  ] as const;
});

export const target: Target = {
  seeds: framed.map(([linkType, frame], at) => Uint8Array.of(LINK_TYPES.indexOf(linkType), at & 1, ...frame)),
  maxLength: MAX_FRAME + 2,
  run,
};
