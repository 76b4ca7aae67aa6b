/**
 * Main of the capture child: `child INTERFACE tcp|udp opening|any`, records on descriptor 3, one line on stderr when it cannot. One
 * process an interface, because `cap` takes the process with it when the interface goes. It knows no secret, no door and
 * no sequence: whoever breaks into it by a packet finds an empty process of nobody.
 *
 * While packets keep coming, `cap` does not return to the event loop: no timer, no stream and no signal handler runs.
 * Hence everything that must happen under a flood (batches, heartbeats, noticing that the daemon is gone) happens in the
 * frame listener, by the clock, with synchronous writes.
 */
import { readdirSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { pairOf } from '../../../shared/knock.ts';
import { monotonicMs } from '../../clock/monotonic.ts';
import { LINK_NFLOG } from '../../core/packet/link-layer.ts';
import { decodePacket } from '../../core/packet/packet.ts';
import { packetView } from '../../core/packet/packet-view.ts';
import type { CaptureScope } from '../capture.ts';
import { dropPrivileges } from '../child/privileges.ts';
import { RecordWriter } from '../child/record-writer.ts';
import { CHILD_PREFIX, HEARTBEAT_MS, RECORDS_FD, STALL_MS } from '../child-protocol.ts';
import { type Libc, loadLibc } from '../libc.ts';
import { forgetPackets, writeHeartbeat, writeLost, writeOpened, writePacket } from '../records.ts';
import { prepareNflogSocket, rememberLoggers } from './nflog-socket.ts';
import { openPcap, type PcapDevice } from './pcap-device.ts';
import { captureFilter, isDeviceName, nflogGroup } from './pcap-filter.ts';
import { RingLosses, socketCounts } from './ring-losses.ts';

/** The longest that a record may lie here while frames that are no knocks keep the loop busy. */
const LINGER_MS = 5;
/** When the pipe was full and the flood is over. */
const RETRY_MS = 10;
const UDP_PAIRS = pairOf('udp', 0);

const writer = new RecordWriter(writeToPipe);
const view = packetView();
let device: PcapDevice | undefined;
/** Of the packet socket; undefined where there is none, or its losses cannot be read. */
let ring: RingLosses | undefined;
let udp = false;
let frames = 0;
let received = 0;
let dropped = 0;
let nextBeatAt = 0;
let aliveAt = 0;
/** Missing since the last record that the pipe took. */
let lost = 0;
/** Of the next NFLOG message; -1 before the first. */
let nextNumber = -1;
let scheduled = false;

function onFrame(length: number): void {
  if (device === undefined) return;
  const at = monotonicMs();
  noteAlive(at);
  frames += 1;
  // The filter does not look behind VLAN tags and extension headers: UDP may come through there unasked.
  const isKnock = decodePacket(device.linkType, device.frame, length, view);
  if (device.linkType === LINK_NFLOG) noteNumber();
  // Before it is asked what is in doubt: with room in it, the writer flushes, and finds losses, at no worse moment.
  if (writer.full) writer.flush(at);
  const isDoubtful = ring?.doubtful(frames) ?? false;
  if (lost > 0 && !isDoubtful && sayLost(at)) lost = 0;
  if (isKnock && (udp || view.pair < UDP_PAIRS)) {
    received += 1;
    const slot = lost > 0 || isDoubtful ? -1 : writer.slot(at);
    if (slot < 0) noteLost(1);
    else writePacket(writer.bytes, slot, at, device.frame, view);
  }
  if (at >= nextBeatAt) beat(at);
  if (writer.full || (writer.waiting && at - writer.waitingSinceMs >= LINGER_MS)) writer.flush(at);
  if (writer.waiting && !scheduled) {
    scheduled = true;
    setImmediate(flushWhenIdle);
  }
}

/** Messages of a group are numbered by the kernel; a gap is what its queue had no room for. */
function noteNumber(): void {
  if (view.number < 0) fail('a message of the group has no number');
  if (nextNumber >= 0 && view.number !== nextNumber) noteLost((view.number - nextNumber) >>> 0);
  nextNumber = (view.number + 1) >>> 0;
}

function noteLost(packets: number): void {
  lost += packets;
  dropped += packets;
}

/** Before any packet that came later: false while the pipe has no room, and those packets are lost as well then. */
function sayLost(at: number): boolean {
  const slot = writer.slot(at);
  if (slot >= 0) writeLost(writer.bytes, slot, { atMs: at, packets: lost });
  return slot >= 0;
}

/**
 * Packets are stamped when they are read. Who stood still for long would stamp old ones as if they had just come, and a
 * run that lasted too long, or that the kernel had stopped watching, would look short: better to start anew.
 */
function noteAlive(at: number): void {
  if (aliveAt > 0 && at - aliveAt > STALL_MS) fail('the capture process stood still');
  aliveAt = at;
}

function flushWhenIdle(): void {
  writer.flush(monotonicMs());
  scheduled = writer.waiting;
  if (scheduled) setTimeout(flushWhenIdle, RETRY_MS);
}

/** A heartbeat that finds no room is tried again soon; until it goes, the records that fill the pipe prove that we live. */
function beat(at: number): void {
  noteAlive(at);
  const slot = writer.slot(at);
  nextBeatAt = at + (slot < 0 ? RETRY_MS : HEARTBEAT_MS);
  if (slot >= 0) writeHeartbeat(writer.bytes, slot, { atMs: at, received, dropped, frames });
  writer.flush(at);
}

/**
 * Losses of the packet socket's queue are looked at before anything is told, not at each frame. What waits here then stands
 * before the loss or behind it, nobody knows which.
 */
function noteRingLosses(losses: RingLosses, bytes: Buffer, from: number, to: number): void {
  const missing = losses.look();
  if (missing === 0) return;
  noteLost(missing);
  dropped += forgetPackets(bytes, from, to);
  // After the poll phase that follows, in which cap reads until the queue is empty.
  const until = losses.doubtfulUntil;
  setImmediate(() => losses.emptied(until));
}

function writeToPipe(bytes: Buffer, from: number, to: number): number {
  if (ring !== undefined) noteRingLosses(ring, bytes, from, to);
  try {
    return writeSync(RECORDS_FD, bytes, from, to - from);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return 0;
    // EPIPE: the daemon is gone, and nobody will close what we might still be told of.
    process.exit(0);
  }
}

/** The daemon's end of stdin and of the records is never written to: anything there, and any end, means that it is gone. */
function followTheDaemon(): void {
  const leave = (): never => process.exit(0);
  // Wrapping the descriptor makes it non-blocking, which writeToPipe relies on.
  const pipe = new Socket({ fd: RECORDS_FD, readable: true, writable: true });
  for (const stream of [pipe, process.stdin]) stream.on('end', leave).on('close', leave).on('error', leave).resume();
}

async function main(): Promise<void> {
  const [interfaceName = '', protocols = '', packets = ''] = process.argv.slice(2);
  if (!isDeviceName(interfaceName) || (protocols !== 'tcp' && protocols !== 'udp')) {
    fail('started with wrong arguments');
  }
  if (packets !== 'opening' && packets !== 'any') fail('started with wrong arguments');
  udp = protocols === 'udp';
  view.anyTcp = packets === 'any';
  const scope: CaptureScope = { udp, tcp: packets };
  followTheDaemon();
  const libc = await loadLibc();
  const group = nflogGroup(interfaceName);
  const restoreLoggers = group === undefined ? undefined : rememberLoggers();
  const opened = await openPcap(interfaceName, captureFilter(interfaceName, scope), onFrame);
  if (group !== undefined) prepareNflogSocket(libc, group);
  else ring = libc && ringLosses(libc);
  restoreLoggers?.();
  device = opened;
  const privileges = dropPrivileges(libc);
  const at = monotonicMs();
  const slot = writer.slot(at);
  const countsLosses = group !== undefined || ring !== undefined;
  if (slot >= 0) writeOpened(writer.bytes, slot, { atMs: at, linkType: device.linkType, ...privileges, countsLosses });
  beat(at);
  setInterval(() => beat(monotonicMs()), HEARTBEAT_MS);
}

/** While files can still be read: which descriptor is libpcap's stands in one. */
function ringLosses(libc: Libc): RingLosses | undefined {
  const read = socketCounts(libc, descriptors());
  if (read === undefined) return undefined;
  return new RingLosses(() => read() ?? fail('the losses of the packet socket cannot be read any more'));
}

function descriptors(): readonly number[] {
  try {
    return readdirSync('/proc/self/fd').map(Number);
  } catch {
    return []; // no such folder on this system
  }
}

function fail(message: string): never {
  writeSync(2, `${CHILD_PREFIX}${message}\n`);
  process.exit(1);
}

void main().catch((error: unknown) => fail((error as Error).message));
