/**
 * Where a frame's IP packet lies, by the link layer alone: the whole decoder refuses most frames that the link layer
 * lets through by mistake, which would hide the mistake.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_NFLOG_ATTRIBUTES, MAX_VLAN_TAGS, unwrapLink } from '../../../../../server/core/packet/link-layer.ts';
import { type PacketView, packetView } from '../../../../../server/core/packet/packet-view.ts';
import { attribute, ethernet, ipv4, ipv6, nflog, sll, sll2, tcp } from '../../../../support/core/crafted-frames.ts';

const SYN4 = ipv4(tcp(8000));
const SYN6 = ipv6(tcp(8000));
const empties = (count: number) => Array.from({ length: count }, () => attribute(1, [])).flat();
const message = (...attributes: readonly (readonly number[])[]) => [2, 0, 0, 5, ...attributes.flat()];

function unwrap(linkType: number, frame: readonly number[], length = frame.length): PacketView | false {
  const view = packetView();
  return unwrapLink(linkType, Uint8Array.from(frame), length, view) && view;
}

const headers: readonly [name: string, linkType: number, wrap: (packet: readonly number[]) => number[]][] = [
  ['Ethernet', 1, (packet) => ethernet(packet)],
  ['Ethernet with as many tags as there may be', 1, (packet) => ethernet(packet, Array(MAX_VLAN_TAGS).fill(0x8100))],
  ['SLL', 113, (packet) => sll(packet)],
  ['SLL with a tag', 113, (packet) => sll(packet, 0, 1, [0x8100])],
  ['SLL2', 276, (packet) => sll2(packet)],
  ['NULL', 0, (packet) => [packet === SYN4 ? 2 : 10, 0, 0, 0, ...packet]],
  ['LOOP', 108, (packet) => [0, 0, 0, packet === SYN4 ? 2 : 24, ...packet]],
  ['RAW', 101, (packet) => [...packet]],
];

for (const [name, linkType, wrap] of headers) {
  test(`${name}: there is a packet from its first byte on, and none where the frame ends before`, () => {
    for (const packet of [SYN4, SYN6]) {
      const frame = wrap(packet);
      const at = frame.length - packet.length;
      // The bytes behind the end are valid, as the rest of an earlier packet may be.
      for (let length = 0; length <= at; length += 1) assert.equal(unwrap(linkType, frame, length), false, `${length}`);
      for (const length of [at + 1, frame.length]) {
        const view = unwrap(linkType, frame, length);
        assert.ok(view !== false);
        assert.deepEqual([view.at, view.end, view.family], [at, length, packet === SYN4 ? 4 : 6]);
      }
    }
  });
}

test('NFLOG: the packet ends where its attribute does, and none is begun that does not fit', () => {
  const frame = [...nflog(SYN4), 9, 9, 9, 9];
  for (let length = 0; length < frame.length - 4; length += 1) assert.equal(unwrap(239, frame, length), false);
  const view = unwrap(239, frame);
  assert.ok(view !== false);
  assert.equal(view.end, frame.length - 4);
});

const refused: readonly [why: string, linkType: number, frame: number[]][] = [
  ['a link type that nobody knows', 127, SYN4],
  ['one tag too many', 1, ethernet(SYN4, Array(MAX_VLAN_TAGS + 1).fill(0x8100))],
  ['neither IPv4 nor IPv6', 1, ethernet(SYN4, [], 0x0806)],
  ['IPv6 by its ethertype and not by its version', 1, ethernet(SYN4, [], 0x86dd)],
  ['IPv4 by its ethertype and not by its version', 1, ethernet(SYN6, [], 0x0800)],
  ['SLL2: what this host sent', 276, sll2(SYN4, 4)],
  ['SLL2: a device without ethertypes', 276, sll2(SYN4, 0, 770)],
  ['SLL: a device without ethertypes', 113, sll(SYN4, 0, 770)],
  ['LOOP: a family that is too large', 108, [1, 0, 0, 2, ...SYN4]],
  ['NULL: a family that is too large either way', 0, [2, 0, 1, 0, ...SYN4]],
  ['NFLOG: another version', 239, nflog(SYN4).with(1, 1)],
  ['NFLOG: a family that has no packets of ours', 239, nflog(SYN6, 7)],
  ['NFLOG: an attribute that is shorter than its head', 239, message(attribute(1, [], 3), attribute(9, SYN4))],
  ['NFLOG: an attribute without length', 239, message(attribute(1, [], 0), attribute(9, SYN4))],
  ['NFLOG: an attribute that is longer than the frame', 239, message(attribute(1, [1, 2, 3, 4], 400))],
  ['NFLOG: no payload', 239, message(attribute(1, [8, 0, 1, 0]))],
  ['NFLOG: one attribute too many', 239, message(empties(MAX_NFLOG_ATTRIBUTES), attribute(9, SYN4))],
];

for (const [why, linkType, frame] of refused) {
  test(`there is no packet in a frame where there is ${why}`, () => assert.equal(unwrap(linkType, frame), false));
}

test('NFLOG: the last attribute that is looked at may be the payload, and empty ones may come before it', () => {
  const view = unwrap(239, message(empties(MAX_NFLOG_ATTRIBUTES - 1), attribute(9, SYN4)));
  assert.ok(view !== false);
  assert.equal(view.at, 4 + 4 * MAX_NFLOG_ATTRIBUTES);
});

const tags: readonly [text: string, tag: number][] = [
  ['0\0', 0],
  ['9\0', 9],
  ['10\0', 10],
  ['190\0', 190],
  ['007\0', 7],
  ['0007\0', 0],
  ['1/\0', 0],
  ['1:\0', 0],
  ['-1\0', 0],
  ['1\u00002\0', 1],
];

for (const [text, tag] of tags) {
  test(`NFLOG: a prefix ${JSON.stringify(text)} is the tag ${tag}`, () => {
    const view = unwrap(239, message(attribute(10, [...Buffer.from(text, 'latin1')]), attribute(9, SYN4)));
    assert.ok(view !== false);
    assert.equal(view.tag, tag);
  });
}

const numbers: readonly [what: string, attributes: number[], number: number][] = [
  ['four bytes', attribute(12, [0, 1, 2, 3]), 0x00010203],
  ['more bytes than a number has', attribute(12, [0, 0, 0, 1, 0, 0, 0, 1]), -1],
  ['fewer bytes than a number has', attribute(12, [0, 1]), -1],
  ['another type', attribute(1, [0, 1, 2, 3]), -1],
];

for (const [what, attributes, number] of numbers) {
  test(`NFLOG: the number of a message is that of an attribute (${what}): ${number}`, () => {
    const view = unwrap(239, message(attributes, attribute(9, SYN4)));
    assert.ok(view !== false);
    assert.equal(view.number, number);
  });
}
