/**
 * The BPF filter, compiled by libpcap for each link type, must pass every packet that the decoder accepts. tcpdump reads
 * files of crafted frames, without a network.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { captureFilter } from '../../../server/capture/pcap/pcap-filter.ts';
import { decodePacket } from '../../../server/core/packet/packet.ts';
import { packetView } from '../../../server/core/packet/packet-view.ts';
import {
  authenticationHeader,
  ethernet,
  extension,
  fragmentHeader,
  ipv4,
  ipv6,
  sll,
  sll2,
  tcp,
  udp,
} from '../../support/core/crafted-frames.ts';

const missing = spawnSync('tcpdump', ['--version']).error !== undefined;
const options = { skip: missing && process.env['CI'] !== 'true' ? 'tcpdump is not installed' : false };
const scratch = mkdtempSync(join(tmpdir(), 'knock-otp-filter-'));
after(() => rmSync(scratch, { recursive: true }));

/** How many of the frames pass libpcap's filter. */
function passing(linkType: number, frames: readonly (readonly number[])[], filter: string): number {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(65_535, 16);
  header.writeUInt32LE(linkType, 20);
  const records = frames.map((frame) => {
    const record = Buffer.alloc(16 + frame.length);
    record.writeUInt32LE(frame.length, 8);
    record.writeUInt32LE(frame.length, 12);
    record.set(frame, 16);
    return record;
  });
  const file = join(scratch, 'frames.pcap');
  writeFileSync(file, Buffer.concat([header, ...records]));
  const { status, stdout, stderr } = spawnSync('tcpdump', ['-nr', file, '-w', '-', filter]);
  assert.equal(status, 0, stderr.toString());
  let count = 0;
  for (let at = 24; at < stdout.length; at += 16 + stdout.readUInt32LE(at + 8)) count += 1;
  return count;
}

const syns = [
  ipv4(tcp(8000)),
  ipv4(tcp(8000, { flags: 0xc2 })),
  ipv4(tcp(8000), { options: 40 }),
  ipv4(tcp(8000), { fragment: 0x2000 }),
  ipv6(tcp(8000)),
  ipv6([...extension(6), ...tcp(8000)], { next: 0 }),
  ipv6([...extension(6), ...tcp(8000)], { next: 60 }),
  ipv6([...extension(6, 2), ...tcp(8000)], { next: 43 }),
  ipv6([...fragmentHeader(6, 0), ...tcp(8000)], { next: 44 }),
  ipv6([...authenticationHeader(6), ...tcp(8000)], { next: 51 }),
];
const datagrams = [
  ipv4(udp(8000), { protocol: 17 }),
  ipv4(udp(8000), { protocol: 17, fragment: 0x2000, options: 8 }),
  ipv6(udp(8000), { next: 17 }),
];
const OPENING = { udp: false, tcp: 'opening' } as const;
const noise = [
  ipv4(tcp(8000, { flags: 0x12 })),
  ipv4(tcp(8000, { flags: 0x10 })),
  ipv4(tcp(8000), { protocol: 1 }),
  ipv4(udp(8000), { protocol: 17, fragment: 0x2001 }),
  ipv6(tcp(8000, { flags: 0x12 })),
  ipv6(tcp(8000), { next: 58 }),
];

type Wrap = (packet: readonly number[]) => number[];
const links: [name: string, linkType: number, wrap: Wrap][] = [
  ['Ethernet', 1, (packet) => ethernet(packet)],
  ['SLL', 113, (packet) => sll(packet)],
  ['SLL2', 276, (packet) => sll2(packet)],
  ['raw IP', 101, (packet) => [...packet]],
  // In files libpcap knows the address families of the BSDs and macOS, in live captures those of the host.
  ['NULL', 0, (packet) => [packet[0] === 0x60 ? 30 : 2, 0, 0, 0, ...packet]],
  ['LOOP', 108, (packet) => [0, 0, 0, packet[0] === 0x60 ? 24 : 2, ...packet]],
];

for (const [name, linkType, wrap] of links) {
  test(`when the filter is compiled for ${name} then it passes knocks and stops noise`, options, () => {
    for (const frame of [...syns, ...datagrams].map(wrap)) {
      assert.ok(decodePacket(linkType, Uint8Array.from(frame), frame.length, packetView()), 'the decoder takes it');
    }
    const [tcpOnly, both] = [captureFilter('eth0', OPENING), captureFilter('eth0', { ...OPENING, udp: true })];
    assert.equal(passing(linkType, syns.map(wrap), tcpOnly), syns.length);
    assert.equal(passing(linkType, datagrams.map(wrap), tcpOnly), 0);
    assert.equal(passing(linkType, [...syns, ...datagrams].map(wrap), both), syns.length + datagrams.length);
    assert.equal(passing(linkType, noise.map(wrap), both), 0);
  });

  test(
    `when every TCP packet is asked for then the filter for ${name} passes all of them and no other`,
    options,
    () => {
      const any = captureFilter('eth0', { udp: false, tcp: 'any' });
      const others = [0x12, 0x10, 0x01, 0x00, 0x29].flatMap((flags) => [
        ipv4(tcp(8000, { flags })),
        ipv6(tcp(8000, { flags })),
      ]);
      for (const frame of [...syns, ...others].map(wrap)) {
        const view = { ...packetView(), anyTcp: true };
        assert.ok(decodePacket(linkType, Uint8Array.from(frame), frame.length, view), 'the decoder takes it');
      }
      assert.equal(passing(linkType, [...syns, ...others].map(wrap), any), syns.length + others.length);
      const stopped = [...datagrams, ipv4(tcp(8000), { fragment: 0x2001 }), ipv6(tcp(8000), { next: 58 })];
      assert.equal(passing(linkType, stopped.map(wrap), any), 0);
    },
  );
}

test('when frames carry VLAN tags then the filter passes them for the decoder to judge', options, () => {
  for (const tags of [[0x8100], [0x88a8, 0x8100], [0x9100, 0x8100]]) {
    const frames = syns.map((packet) => ethernet(packet, tags));
    assert.equal(passing(1, frames, captureFilter('eth0', OPENING)), frames.length);
  }
});

test('when the device is an NFLOG group then there is no filter, for libpcap has none', () => {
  assert.equal(captureFilter('nflog:5', { udp: true, tcp: 'any' }), '');
});
