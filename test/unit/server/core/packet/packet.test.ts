import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LINK_TYPES, MAX_VLAN_TAGS } from '../../../../../server/core/packet/link-layer.ts';
import { MAX_EXTENSION_HEADERS } from '../../../../../server/core/packet/network-layer.ts';
import { addressAt, decodePacket } from '../../../../../server/core/packet/packet.ts';
import { packetView } from '../../../../../server/core/packet/packet-view.ts';
import { formatAddress } from '../../../../../shared/address.ts';
import { formatKnock, knockOf } from '../../../../../shared/knock.ts';
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
} from '../../../../support/core/crafted-frames.ts';

const ETHERNET = 1;

/** `192.0.2.7 > 198.51.100.1 8000`, or undefined. */
function decode(linkType: number, bytes: readonly number[]): string | undefined {
  const frame = Uint8Array.from(bytes);
  const view = packetView();
  if (!decodePacket(linkType, frame, frame.length, view)) return undefined;
  const source = formatAddress(addressAt(frame, view.sourceAt, view.family));
  const destination = formatAddress(addressAt(frame, view.destinationAt, view.family));
  return `${source} > ${destination} ${formatKnock(knockOf(view.pair))}`;
}

const HEARD4 = '192.0.2.7 > 198.51.100.1 8000';
const HEARD6 = '2001:db8::7 > 2001:db8:0:1::1 8000';
const SYN4 = ipv4(tcp(8000));
const SYN6 = ipv6(tcp(8000));

const linkTypes: [name: string, linkType: number, wrap: (packet: readonly number[]) => number[]][] = [
  ['Ethernet', 1, (packet) => ethernet(packet)],
  ['Ethernet with an 802.1Q tag', 1, (packet) => ethernet(packet, [0x8100])],
  ['Ethernet with 802.1ad and 802.1Q tags', 1, (packet) => ethernet(packet, [0x88a8, 0x8100])],
  ['Ethernet with three tags', 1, (packet) => ethernet(packet, [0x9100, 0x8100, 0x8100])],
  ['SLL', 113, (packet) => sll(packet)],
  ['SLL from loopback', 113, (packet) => sll(packet, 0, 772)],
  ['SLL with a tag', 113, (packet) => sll(packet, 0, 1, [0x8100])],
  ['SLL2', 276, (packet) => sll2(packet)],
  ['NULL, little-endian, Linux or IPv4', 0, (packet) => [packet[0] === 0x45 ? 2 : 10, 0, 0, 0, ...packet]],
  ['NULL, big-endian, FreeBSD', 0, (packet) => [0, 0, 0, packet[0] === 0x45 ? 2 : 28, ...packet]],
  ['NULL, macOS', 0, (packet) => [packet[0] === 0x45 ? 2 : 30, 0, 0, 0, ...packet]],
  ['LOOP', 108, (packet) => [0, 0, 0, packet[0] === 0x45 ? 2 : 24, ...packet]],
  ['RAW in memory', 12, (packet) => [...packet]],
  ['RAW in files', 101, (packet) => [...packet]],
  ['NFLOG', 239, (packet) => nflog(packet)],
];

for (const [name, linkType, wrap] of linkTypes) {
  test(`when a SYN comes in ${name}, then it is a knock, IPv4 and IPv6`, () => {
    assert.equal(decode(linkType, wrap(SYN4)), HEARD4);
    assert.equal(decode(linkType, wrap(SYN6)), HEARD6);
  });
}

test('when a link type is of one family, then only that family is a knock', () => {
  assert.deepEqual([decode(228, SYN4), decode(228, SYN6)], [HEARD4, undefined]);
  assert.deepEqual([decode(229, SYN4), decode(229, SYN6)], [undefined, HEARD6]);
});

const knocks: [reason: string, packet: number[], heard: string][] = [
  ['a UDP datagram', ipv4(udp(8000), { protocol: 17 }), `${HEARD4}:udp`],
  ['a UDP datagram over IPv6', ipv6(udp(8000), { next: 17 }), `${HEARD6}:udp`],
  ['a UDP datagram without its payload is still one', ipv4(udp(8000, [1, 2, 3]), { protocol: 17 }), `${HEARD4}:udp`],
  ['the highest port', ipv4(tcp(65_535)), '192.0.2.7 > 198.51.100.1 65535'],
  ['IPv4 options move the ports', ipv4(tcp(8000), { options: 40 }), HEARD4],
  ['TCP options follow the header', ipv4(tcp(8000, { dataOffset: 10 })), HEARD4],
  ['a first fragment has the ports', ipv4(tcp(8000), { fragment: 0x2000 }), HEARD4],
  ['ECN set-up sends SYN with ECE and CWR', ipv4(tcp(8000, { flags: 0xc2 })), HEARD4],
  ['hop-by-hop options', ipv6([...extension(6, 1), ...tcp(8000)], { next: 0 }), HEARD6],
  ['destination options', ipv6([...extension(6), ...tcp(8000)], { next: 60 }), HEARD6],
  ['a routing header with nothing left', ipv6([...extension(6, 2, 4, 0), ...tcp(8000)], { next: 43 }), HEARD6],
  ['a first fragment', ipv6([...fragmentHeader(6, 0), ...tcp(8000)], { next: 44 }), HEARD6],
  ['an authentication header', ipv6([...authenticationHeader(6), ...tcp(8000)], { next: 51 }), HEARD6],
  [
    'the order that RFC 8200 recommends',
    ipv6(
      [
        ...extension(60),
        ...extension(43),
        ...extension(44),
        ...fragmentHeader(51, 0),
        ...authenticationHeader(60),
        ...extension(17),
        ...udp(8000),
      ],
      { next: 0 },
    ),
    `${HEARD6}:udp`,
  ],
];

for (const [reason, packet, heard] of knocks) {
  test(`when a packet is bent but honest (${reason}), then it is a knock`, () => {
    assert.equal(decode(ETHERNET, ethernet(packet)), heard);
  });
}

const mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 7];
const refused: [reason: string, linkType: number, frame: number[]][] = [
  ['SYN with ACK is an answer', 1, ethernet(ipv4(tcp(8000, { flags: 0x12 })))],
  ['ACK alone', 1, ethernet(ipv4(tcp(8000, { flags: 0x10 })))],
  ['no flag at all', 1, ethernet(ipv4(tcp(8000, { flags: 0 })))],
  ['port 0', 1, ethernet(ipv4(tcp(0)))],
  ['UDP port 0', 1, ethernet(ipv4(udp(0), { protocol: 17 }))],
  ['a TCP data offset below its header', 1, ethernet(ipv4(tcp(8000, { dataOffset: 4 })))],
  ['ICMP', 1, ethernet(ipv4(tcp(8000), { protocol: 1 }))],
  ['an authentication header in IPv4', 1, ethernet(ipv4([...authenticationHeader(6), ...tcp(8000)], { protocol: 51 }))],
  ['a later fragment', 1, ethernet(ipv4(tcp(8000), { fragment: 0x2001 }))],
  ['a last fragment', 1, ethernet(ipv4(tcp(8000), { fragment: 0x0200 }))],
  ['a tiny first fragment without flags', 1, ethernet(ipv4(tcp(8000).slice(0, 8), { fragment: 0x2000 }))],
  ['an IPv4 header length below 20', 1, ethernet(ipv4(tcp(8000), { headerWords: 4 }))],
  ['an IPv4 header longer than the packet', 1, ethernet(ipv4(tcp(8000), { headerWords: 15 }))],
  [
    'an IPv4 header length below 20, with ports where it ends',
    1,
    ethernet(ipv4(tcp(8000).slice(4), { headerWords: 4, destination: tcp(8000).slice(0, 4) })),
  ],
  ['a UDP header that is cut', 1, ethernet([...ipv4(udp(8000), { protocol: 17, totalLength: 27 })])],
  ['an IPv6 UDP header that is cut', 1, ethernet(ipv6(udp(8000), { next: 17, payloadLength: 7 }))],
  ['a total length that ends before the ports', 1, ethernet(ipv4(tcp(8000), { totalLength: 24 }))],
  ['a total length of 0', 1, ethernet(ipv4(tcp(8000), { totalLength: 0 }))],
  ['version 5', 1, ethernet(ipv4(tcp(8000), { version: 5 }), [], 0x0800)],
  ['IPv6 under the ethertype of IPv4', 1, ethernet(SYN6, [], 0x0800)],
  ['IPv4 under the ethertype of IPv6', 1, ethernet(SYN4, [], 0x86dd)],
  ['ARP', 1, ethernet(SYN4, [], 0x0806)],
  ['an 802.3 length instead of an ethertype', 1, ethernet(SYN4, [], SYN4.length)],
  ['one tag too many', 1, ethernet(SYN4, new Array<number>(MAX_VLAN_TAGS + 1).fill(0x8100))],
  ['a tag and nothing behind it', 1, ethernet([], [], 0x8100)],
  ['an unspecified source', 1, ethernet(ipv4(tcp(8000), { source: [0, 0, 0, 0] }))],
  ['a source in 0/8', 1, ethernet(ipv4(tcp(8000), { source: [0, 1, 2, 3] }))],
  ['a multicast source', 1, ethernet(ipv4(tcp(8000), { source: [224, 0, 0, 1] }))],
  ['a broadcast source', 1, ethernet(ipv4(tcp(8000), { source: [255, 255, 255, 255] }))],
  ['a reserved source', 1, ethernet(ipv4(tcp(8000), { source: [240, 0, 0, 1] }))],
  ['an unspecified IPv6 source', 1, ethernet(ipv6(tcp(8000), { source: new Array<number>(16).fill(0) }))],
  ['a multicast IPv6 source', 1, ethernet(ipv6(tcp(8000), { source: [0xff, 2, ...new Array<number>(14).fill(1)] }))],
  ['a mapped source would be an IPv4 host', 1, ethernet(ipv6(tcp(8000), { source: mapped }))],
  ['a mapped destination would be an IPv4 host', 1, ethernet(ipv6(tcp(8000), { destination: mapped }))],
  ['a later IPv6 fragment', 1, ethernet(ipv6([...fragmentHeader(6, 1), ...tcp(8000)], { next: 44 }))],
  ['a routing header with segments left', 1, ethernet(ipv6([...extension(6, 2, 0, 1), ...tcp(8000)], { next: 43 }))],
  [
    'hop-by-hop options in second place',
    1,
    ethernet(ipv6([...extension(0), ...extension(6), ...tcp(8000)], { next: 60 })),
  ],
  [
    'an extension header longer than the packet',
    1,
    ethernet(ipv6([...extension(6).with(1, 255), ...tcp(8000)], { next: 60 })),
  ],
  ['no next header', 1, ethernet(ipv6(tcp(8000), { next: 59 }))],
  ['ESP hides what is behind it', 1, ethernet(ipv6(tcp(8000), { next: 50 }))],
  ['a payload length of 0', 1, ethernet(ipv6(tcp(8000), { payloadLength: 0 }))],
  ['a payload length that ends before the flags', 1, ethernet(ipv6(tcp(8000), { payloadLength: 13 }))],
  [
    'one extension header too many',
    1,
    ethernet(
      ipv6(
        [...Array.from({ length: MAX_EXTENSION_HEADERS }, () => extension(60)).flat(), ...extension(6), ...tcp(8000)],
        { next: 60 },
      ),
    ),
  ],
  ['SLL: what this host sent', 113, sll(SYN4, 4)],
  ['SLL: the netlink monitor has no ethertypes', 113, sll(SYN4, 0, 824)],
  ['SLL2: what this host sent', 276, sll2(SYN4, 4)],
  ['SLL2: 802.11 monitor mode has no ethertypes', 276, sll2(SYN4, 0, 803)],
  ['NULL: another family', 0, [7, 0, 0, 0, ...SYN4]],
  ['NULL: no order of bytes gives a family', 0, [2, 0, 0, 2, ...SYN4]],
  ['LOOP: little-endian', 108, [2, 0, 0, 0, ...SYN4]],
  ['NFLOG: another version', 239, nflog(SYN4).with(1, 1)],
  ['NFLOG: family and packet disagree', 239, nflog(SYN4, 10)],
  ['NFLOG: bridge family', 239, nflog(SYN4, 7)],
  ['NFLOG: an attribute shorter than its head', 239, [2, 0, 0, 5, ...attribute(9, SYN4, 3)]],
  ['NFLOG: an attribute longer than the frame', 239, [2, 0, 0, 5, ...attribute(9, SYN4, 400)]],
  ['NFLOG: no payload', 239, [2, 0, 0, 5, ...attribute(1, [8, 0, 1, 0])]],
  [
    'NFLOG: the payload behind a crowd of empty attributes',
    239,
    [2, 0, 0, 5, ...Array.from({ length: 40 }, () => attribute(1, [])).flat(), ...attribute(9, SYN4)],
  ],
  ['a link type that we do not know', 127, SYN4],
];

for (const [reason, linkType, frame] of refused) {
  test(`when a frame is no knock (${reason}), then it is refused`, () => {
    assert.equal(decode(linkType, frame), undefined);
  });
}

const flagBytes = [0x00, 0x01, 0x02, 0x04, 0x10, 0x12, 0x29, 0xff];
for (const flags of flagBytes) {
  test(`when every TCP packet is asked for, then one with flags ${flags} is taken, and they are told`, () => {
    for (const packet of [ipv4(tcp(8000, { flags })), ipv6(tcp(8000, { flags }))]) {
      const frame = Uint8Array.from(ethernet(packet));
      const view = { ...packetView(), anyTcp: true };
      assert.equal(decodePacket(ETHERNET, frame, frame.length, view), true);
      assert.equal(view.flags, flags);
    }
  });
}

const nearlyMapped: readonly [what: string, bytes: readonly number[]][] = [
  ['::ff00:c000:207', [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0, 192, 0, 2, 7]],
  ['::ff:c000:207', [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 192, 0, 2, 7]],
  ['::c000:207', [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 192, 0, 2, 7]],
  ['2001:db8::ffff:c000:207', [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 7]],
];

for (const [what, bytes] of nearlyMapped) {
  test(`when an IPv6 address only looks like a mapped one (${what}), then it is heard, as source and as destination`, () => {
    const heard = (given: object) => decode(ETHERNET, ethernet(ipv6(tcp(8000), given)));
    assert.equal(heard({ source: bytes }), `${what} > 2001:db8:0:1::1 8000`);
    assert.equal(heard({ destination: bytes }), `2001:db8::7 > ${what} 8000`);
  });
}

test('when nothing has been decoded yet, then a view has no number and no tag', () => {
  const { number, tag, anyTcp } = packetView();
  assert.deepEqual([number, tag, anyTcp], [-1, 0, false]);
});

test('when a datagram follows a TCP packet, then the flags of that one are gone', () => {
  const view = packetView();
  const [first, second] = [ethernet(SYN4), ethernet(ipv4(udp(8000), { protocol: 17 }))].map((frame) =>
    Uint8Array.from(frame),
  );
  assert.ok(first !== undefined && second !== undefined);
  decodePacket(ETHERNET, first, first.length, view);
  assert.equal(view.flags, 0x02);
  decodePacket(ETHERNET, second, second.length, view);
  assert.equal(view.flags, 0);
});

test('when a frame is cut anywhere before its last header ends, then it is refused', () => {
  for (const [, linkType, wrap] of linkTypes) {
    for (const packet of [SYN4, SYN6]) {
      const frame = wrap(packet);
      for (let length = 0; length < frame.length; length += 1) {
        const cut = Uint8Array.from(frame);
        assert.equal(decodePacket(linkType, cut, length, packetView()), false, `${linkType} at ${length}`);
      }
    }
  }
});

test('when the tests name link types, then they name all that are known', () => {
  assert.deepEqual(new Set([...linkTypes.map(([, linkType]) => linkType), 228, 229]), new Set(LINK_TYPES));
});

const prefixes: readonly (readonly [why: string, text: string, tag: number])[] = [
  ['ours', '7\0', 7],
  ['the largest', '255\0', 255],
  ['more than a byte', '256\0', 0],
  ['four digits', '1000\0', 0],
  ['words of another rule', '7 dropped: \0', 0],
  ['no end', '12', 0],
  ['empty', '\0', 0],
];

for (const [why, text, tag] of prefixes) {
  test(`when an NFLOG rule has a prefix (${why}), then its tag is ${tag}`, () => {
    const view = packetView();
    const named = attribute(10, [...Buffer.from(text, 'latin1')]);
    const frame = Uint8Array.from([2, 0, 0, 5, ...named, ...attribute(12, [1, 2, 3, 4]), ...attribute(9, SYN4)]);
    assert.equal(decodePacket(239, frame, frame.length, view), true);
    assert.deepEqual([view.tag, view.number], [tag, 0x01020304]);
  });
}

test('when an NFLOG message is no knock or has no number, then its number is told, or that there is none', () => {
  const view = packetView();
  const decode239 = (...attributes: number[][]): boolean => {
    const frame = Uint8Array.from([2, 0, 0, 5, ...attributes.flat()]);
    return decodePacket(239, frame, frame.length, view);
  };
  assert.equal(
    decode239(attribute(12, [0xff, 0xff, 0xff, 0xff]), attribute(9, ipv4(tcp(8000, { flags: 0x10 })))),
    false,
  );
  assert.equal(view.number, 0xffffffff);
  assert.equal(decode239(attribute(9, SYN4)), true);
  assert.deepEqual([view.number, view.tag], [-1, 0], 'nothing of the message before');
});
