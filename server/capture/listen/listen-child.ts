/**
 * Main program of the child with listening sockets: reads orders on stdin, one per line, and writes records to descriptor 3.
 * It has no secret and no capability, and does not know the doors or which of its ports are live. The ports are in none of
 * its arguments. It can open sockets but no files.
 *
 * libuv accepts one connection per port and turn of the event loop, so timers and orders still run under a flood. A
 * connection that the child or the kernel drops tests no combination: it counts neither as a knock nor as a stray.
 */

import { getPriority, setPriority } from 'node:os';
import { createInterface } from 'node:readline';
import type { AddressKey } from '../../../shared/address.ts';
import { isUdp, type Pair } from '../../../shared/knock.ts';
import { monotonicMs } from '../../clock/monotonic.ts';
import { TCP_SYN } from '../../core/door.ts';
import { failInChild, leaveWithDaemon, writeToDaemon } from '../child/daemon-pipe.ts';
import { dropPrivileges } from '../child/privileges.ts';
import { RecordWriter } from '../child/record-writer.ts';
import { HEARTBEAT_MS, STALL_MS } from '../child-protocol.ts';
import { loadLibc } from '../libc.ts';
import { writeBound, writeHeartbeat, writeOpened, writePacket } from '../records.ts';
import { Listeners } from './listeners.ts';
import { type NumberedOrder, parseOrder, UNKNOWN } from './orders.ts';

/** Pause after the pipe was full. */
const RETRY_MS = 10;
/** Lower priority, so that a flood does not slow down the daemon. */
const NICENESS = 5;

const writer = new RecordWriter(writeToDaemon);
/** Both addresses of a record, laid out as in an IPv6 header. */
const addresses = Buffer.alloc(32);
let received = 0;
let dropped = 0;
let aliveAt = monotonicMs();
let scheduled = false;

function onArrival(source: AddressKey, destination: AddressKey | undefined, pair: Pair): void {
  const at = monotonicMs();
  // After a suspension, old connections would get new time stamps, and a knock that took too long would look short.
  const slot = at - aliveAt > STALL_MS ? -1 : writer.slot(at);
  received += 1;
  if (slot < 0) {
    dropped += 1;
    return;
  }
  addresses.write(source, 0, 'latin1');
  addresses.write(destination ?? UNKNOWN, 16, 'latin1');
  const flags = isUdp(pair) ? 0 : TCP_SYN;
  writePacket(writer.bytes, slot, at, addresses, { family: 6, sourceAt: 0, destinationAt: 16, pair, flags, tag: 0 });
  if (writer.full) writer.flush(at);
  schedule();
}

function schedule(): void {
  if (scheduled) return;
  scheduled = true;
  setImmediate(flush);
}

function flush(): void {
  writer.flush(monotonicMs());
  scheduled = writer.waiting;
  if (scheduled) setTimeout(flush, RETRY_MS);
}

function beat(): void {
  aliveAt = monotonicMs();
  const slot = writer.slot(aliveAt);
  if (slot >= 0) writeHeartbeat(writer.bytes, slot, { atMs: aliveAt, received, dropped, frames: received });
  writer.flush(aliveAt);
}

/** Answers an order. The daemon waits for the answer and repeats the order without one. */
function answer(number: number, result: { bound: number; taken: number; refused: number }): void {
  const at = monotonicMs();
  const slot = writer.slot(at);
  if (slot >= 0) writeBound(writer.bytes, slot, { atMs: at, number, ...result });
  writer.flush(at);
}

async function main(): Promise<void> {
  // Orders are read from the start, because the daemon sends the first one when it starts this process.
  const early: NumberedOrder[] = [];
  let follow = (order: NumberedOrder): void => void early.push(order);
  createInterface({ input: process.stdin }).on('line', (line) => {
    const order = parseOrder(line);
    if (order === undefined) failInChild('the daemon sent an invalid order');
    follow(order);
  });
  leaveWithDaemon();
  const libc = await loadLibc();
  // Only upwards: a lower niceness than its own, as under `nice -n 10`, needs a right that this process does not have.
  if (getPriority() < NICENESS) setPriority(NICENESS);
  const listeners = await Listeners.create(onArrival);
  const privileges = dropPrivileges(libc, { listens: true });
  const at = monotonicMs();
  const slot = writer.slot(at);
  if (slot >= 0) writeOpened(writer.bytes, slot, { atMs: at, linkType: 0, ...privileges, countsLosses: true });
  beat();
  setInterval(beat, HEARTBEAT_MS);
  follow = (order) => void listeners.follow(order).then((result) => answer(order.number, result));
  for (const order of early) follow(order);
}

void main().catch((error: unknown) => failInChild((error as Error).message));
