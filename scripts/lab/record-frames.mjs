/**
 * `node record-frames.mjs FILE FILTER`: writes the frames of eth0 into a pcap file until SIGINT. This is not tcpdump,
 * because tcpdump requires setgroups, which a user namespace of one user does not allow.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';

const { Cap } = createRequire(import.meta.url)('cap');
const [file = '', filter = ''] = process.argv.slice(2);
const out = openSync(file, 'w', 0o600);
const header = Buffer.alloc(24);
header.writeUInt32LE(0xa1b2c3d4, 0);
header.writeUInt16LE(2, 4);
header.writeUInt16LE(4, 6);
header.writeUInt32LE(65_535, 16);
header.writeUInt32LE(1, 20);
writeSync(out, header);

const frame = Buffer.alloc(65_535);
const capture = new Cap();
capture.open('eth0', filter, 1 << 20, frame);
let count = 0;
capture.on('packet', (length) => {
  const record = Buffer.alloc(16);
  const now = Date.now();
  record.writeUInt32LE(Math.floor(now / 1000), 0);
  record.writeUInt32LE((now % 1000) * 1000, 4);
  record.writeUInt32LE(length, 8);
  record.writeUInt32LE(length, 12);
  count += 1;
  writeSync(out, Buffer.concat([record, frame.subarray(0, length)]));
  console.log(`frames: ${count}`);
});
process.on('SIGINT', () => {
  capture.close();
  closeSync(out);
  process.exit(0);
});
console.log('recording');
