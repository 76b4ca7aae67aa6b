/** The explanation of a refused packet: the reason, and the part of the packet that is valid. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressAt, decodePacket } from '../../../../../server/core/packet/packet.ts';
import { packetView } from '../../../../../server/core/packet/packet-view.ts';
import { formatFlags, whyRefused } from '../../../../../server/core/packet/refused-packet.ts';
import { formatAddress } from '../../../../../shared/address.ts';
import { ethernet, extension, fragmentHeader, ipv4, ipv6, tcp, udp } from '../../../../support/core/crafted-frames.ts';

const ETHERNET = 1;
const ADDRESSES = 'addresses 192.0.2.7 > 198.51.100.1';
const ADDRESSES6 = 'addresses 2001:db8::7 > 2001:db8:0:1::1';
const BENT = 'cut short, malformed, to port 0, or from an address that no host has';

/** The reason, what is valid, and its content. */
function said(frame: readonly number[], length = frame.length): readonly [why: string, known: string] {
  const [bytes, view] = [Uint8Array.from(frame), packetView()];
  assert.equal(decodePacket(ETHERNET, bytes, length, view), false, 'it is no knock');
  const { why, known } = whyRefused(ETHERNET, bytes, length, view);
  assert.equal(view.anyTcp, false, 'as it was');
  if (known === 'nothing') return [why, known];
  const addressOf = (at: number) => formatAddress(addressAt(bytes, at, view.family));
  const addresses = `${known} ${addressOf(view.sourceAt)} > ${addressOf(view.destinationAt)}`;
  return [why, known === 'all' ? `${addresses} ${view.pair} ${view.flags}` : addresses];
}

const rows: readonly [frame: readonly number[], why: string, known: string][] = [
  [
    ethernet(ipv4(tcp(8000, { flags: 0x12 }))),
    'TCP flags syn,ack: only a SYN without ACK knocks here',
    'all 192.0.2.7 > 198.51.100.1 8000 18',
  ],
  [
    ethernet(ipv6(tcp(8000, { flags: 0 }))),
    'TCP flags none: only a SYN without ACK knocks here',
    'all 2001:db8::7 > 2001:db8:0:1::1 8000 0',
  ],
  [ethernet([], [], 0x0806), 'no IP packet', 'nothing'],
  [ethernet([0x45, 0, 0, 40]), 'cut short', 'nothing'],
  [ethernet([0x60, 0, 0, 0, 0, 20, 6, 64]), 'cut short', 'nothing'],
  [ethernet(ipv4(tcp(8000), { fragment: 0x2001 })), 'a later fragment', ADDRESSES],
  [ethernet(ipv4(tcp(8000), { fragment: 0x0100 })), 'a later fragment', ADDRESSES],
  [ethernet(ipv6([...fragmentHeader(6, 1), ...tcp(8000)], { next: 44 })), 'a later fragment', ADDRESSES6],
  [ethernet(ipv6([...fragmentHeader(6, 32), ...tcp(8000)], { next: 44 })), 'a later fragment', ADDRESSES6],
  [ethernet(ipv6(fragmentHeader(6, 1), { next: 44 })), 'a later fragment', ADDRESSES6],
  [ethernet(ipv4(tcp(0))), BENT, ADDRESSES],
  [ethernet(ipv6(tcp(0))), BENT, ADDRESSES6],
  [ethernet(ipv4(udp(0), { protocol: 17 })), BENT, ADDRESSES],
  [ethernet(ipv4(tcp(8000).slice(0, 8), { fragment: 0x2000 })), BENT, ADDRESSES],
  [ethernet(ipv4([8, 0, 0, 0], { protocol: 1 })), 'ICMP, neither TCP nor UDP', ADDRESSES],
  [ethernet(ipv4([], { protocol: 1 })), 'ICMP, neither TCP nor UDP', ADDRESSES],
  [ethernet(ipv4([0x16, 0, 0, 0], { protocol: 2 })), 'IGMP, neither TCP nor UDP', ADDRESSES],
  [ethernet(ipv4([], { protocol: 47 })), 'GRE, neither TCP nor UDP', ADDRESSES],
  [ethernet(ipv4([], { protocol: 50 })), 'ESP, neither TCP nor UDP', ADDRESSES],
  [ethernet(ipv6([], { next: 58 })), 'ICMPv6, neither TCP nor UDP', ADDRESSES6],
  [ethernet(ipv6([128, 0, 0xab, 0xcd, 0, 1, 0, 1], { next: 58 })), 'ICMPv6, neither TCP nor UDP', ADDRESSES6],
  [ethernet(ipv4([], { protocol: 132 })), 'SCTP, neither TCP nor UDP', ADDRESSES],
  [ethernet(ipv4([], { protocol: 99 })), 'IP protocol 99, neither TCP nor UDP', ADDRESSES],
  // Any header except a later fragment's is named by its number.
  [ethernet(ipv6([...extension(59), ...tcp(8000)], { next: 60 })), 'IP protocol 60, neither TCP nor UDP', ADDRESSES6],
  [ethernet(ipv6(fragmentHeader(59, 0), { next: 44 })), 'IP protocol 44, neither TCP nor UDP', ADDRESSES6],
  [ethernet(ipv6([0, 0, 1], { next: 44 })), 'IP protocol 44, neither TCP nor UDP', ADDRESSES6],
];

for (const [frame, why, known] of rows) {
  test(`of a frame of ${frame.length} bytes it is said: ${why} (${known})`, () => {
    assert.deepEqual(said(frame), [why, known]);
    // Bytes behind the frame belong to an earlier packet.
    assert.deepEqual(said([...frame, ...Array<number>(64).fill(0x55)], frame.length), [why, known]);
  });
}

test('when a frame is cut then what is left of it is all that is believed', () => {
  const frame = ethernet(ipv4(tcp(8000)));
  assert.deepEqual(said(frame, 14 + 19), ['cut short', 'nothing']);
  assert.deepEqual(said(frame, 14 + 20), [BENT, ADDRESSES]);
  assert.deepEqual(said(frame, 13), ['no IP packet', 'nothing']);
  const frame6 = ethernet(ipv6(tcp(8000)));
  assert.deepEqual(said(frame6, 14 + 39), ['cut short', 'nothing']);
  assert.deepEqual(said(frame6, 14 + 40), [BENT, ADDRESSES6]);
});

test('flags are named in knockd’s order, and those it has no name for are not', () => {
  assert.equal(formatFlags(0x3f), 'fin,syn,rst,psh,ack,urg');
  assert.equal(formatFlags(0xc0), 'none');
  assert.equal(formatFlags(0xc2), 'syn');
});
