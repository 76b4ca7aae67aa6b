/**
 * The built knock-otpd, except that packets are lines of its stdin: `SOURCE PORT,PORT,...` are TCP SYNs to TARGET. So a test
 * can send a thousand knocks a second and needs no network. Ends with its stdin.
 *   node test/support/daemon/fed-daemon.mjs CONFIG
 */
import { createInterface } from 'node:readline';
import { loadServer } from '../../../dist/server/config/load-server.js';
import { runDaemon } from '../../../dist/server/program/run-daemon.js';
import { addressKey } from '../../../dist/shared/address.js';
import { pairOf } from '../../../dist/shared/knock.js';

const TARGET = addressKey('192.0.2.1');
const SYN = 0x02;
const [file] = process.argv.slice(2);
const load = () => loadServer(file);

function createCapture(_config, { onArrival, onState }) {
  const status = { interface: 'stdin', state: 'listening', since: 0, received: 0, dropped: 0, restarts: 0 };
  const take = (line) => {
    const [source, ports] = line.split(' ');
    for (const port of ports.split(',')) {
      const [seconds, nanoseconds] = process.hrtime();
      const atMs = seconds * 1000 + nanoseconds / 1e6;
      onArrival(atMs, addressKey(source), TARGET, pairOf('tcp', Number(port)), SYN);
    }
  };
  return {
    start: async () => {
      createInterface({ input: process.stdin })
        .on('line', take)
        .on('close', () => process.kill(process.pid, 'SIGTERM'));
      onState(status);
    },
    followLivePairs: async () => {},
    method: () => ({ kind: 'pcap', sees: 'all' }),
    status: () => [status],
    stop: async () => process.stdin.destroy(),
  };
}

const loaded = await load();
await runDaemon({
  version: 'fed',
  loaded,
  load,
  verbose: false,
  lookup: false,
  ipv4Only: false,
  createCapture,
  stderr: process.stderr,
});
