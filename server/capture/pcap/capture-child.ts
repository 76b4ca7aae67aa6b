/**
 * Main program of the capture child: `child INTERFACE tcp|udp opening|any`. Writes records to descriptor 3, and one line to
 * stderr when it fails. One process per interface, because `cap` aborts the process when the interface disappears. It has
 * no secret, no door and no sequence: an attacker who takes it over by a packet finds an empty process of user nobody.
 *
 * While packets keep arriving, `cap` does not return to the event loop: no timer, stream or signal handler runs. So the
 * frame listener does by the clock, with synchronous writes, what must happen under a flood: batches, heartbeats, and the
 * check that the daemon still runs.
 */
import { readdirSync } from 'node:fs';
import { pairOf } from '../../../shared/knock.ts';
import { monotonicMs } from '../../clock/monotonic.ts';
import { LINK_NFLOG } from '../../core/packet/link-layer.ts';
import { decodePacket } from '../../core/packet/packet.ts';
import { packetView } from '../../core/packet/packet-view.ts';
import type { CaptureScope } from '../capture.ts';
import { failInChild, leaveWithDaemon, writeToDaemon } from '../child/daemon-pipe.ts';
import { dropPrivileges } from '../child/privileges.ts';
import { RecordWriter } from '../child/record-writer.ts';
import { HEARTBEAT_MS, STALL_MS } from '../child-protocol.ts';
import { type Libc, loadLibc } from '../libc.ts';
import { forgetPackets, writeHeartbeat, writeLost, writeOpened, writePacket } from '../records.ts';
import { prepareNflogSocket, rememberLoggers } from './nflog-socket.ts';
import { openPcap, type PcapDevice } from './pcap-device.ts';
import { captureFilter, isDeviceName, nflogGroup } from './pcap-filter.ts';
import { RingLosses, socketCounts } from './ring-losses.ts';

/** Longest delay of a record while frames without a knock keep the loop busy. */
const LINGER_MS = 5;
/** Pause after the pipe was full, when the flood is over. */
const RETRY_MS = 10;
const UDP_PAIRS = pairOf('udp', 0);

const writer = new RecordWriter(writeToPipe);
const view = packetView();
let device: PcapDevice | undefined;
/** Losses of the packet socket; undefined without one, or if its counters cannot be read. */
let ring: RingLosses | undefined;
let udp = false;
let frames = 0;
let received = 0;
let dropped = 0;
let nextBeatAt = 0;
let aliveAt = 0;
/** Packets lost since the last record in the writer. */
let lost = 0;
/** Expected number of the next NFLOG message; -1 before the first. */
let nextNumber = -1;
let scheduled = false;

function onFrame(length: number): void {
  if (device === undefined) return;
  const at = monotonicMs();
  noteAlive(at);
  frames += 1;
  // The filter does not read behind VLAN tags and extension headers, so UDP may arrive although `udp` is false.
  const isKnock = decodePacket(device.linkType, device.frame, length, view);
  if (device.linkType === LINK_NFLOG) noteNumber();
  // Flush before `isDoubtful`: a flush may detect losses, and must not do so between that check and `slot`.
  if (writer.full) writer.flush(at);
  const isDoubtful = ring?.doubtful(frames) ?? false;
  if (lost > 0 && !isDoubtful && writeLoss(at)) lost = 0;
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

/** The kernel numbers the messages of a group; a gap shows the messages that its queue dropped. */
function noteNumber(): void {
  if (view.number < 0) failInChild('an NFLOG message has no number');
  if (nextNumber >= 0 && view.number !== nextNumber) noteLost((view.number - nextNumber) >>> 0);
  nextNumber = (view.number + 1) >>> 0;
}

function noteLost(packets: number): void {
  lost += packets;
  dropped += packets;
}

/** Writes the loss before any later packet. False while the pipe has no room; then later packets are lost too. */
function writeLoss(at: number): boolean {
  const slot = writer.slot(at);
  if (slot >= 0) writeLost(writer.bytes, slot, { atMs: at, packets: lost });
  return slot >= 0;
}

/**
 * Ends the process after a long suspension. Packets are stamped when they are read, so old ones would get new time stamps.
 * Then an attempt that took too long, or that the kernel had stopped watching, would look short.
 */
function noteAlive(at: number): void {
  if (aliveAt > 0 && at - aliveAt > STALL_MS) failInChild('the capture process was suspended');
  aliveAt = at;
}

function flushWhenIdle(): void {
  writer.flush(monotonicMs());
  scheduled = writer.waiting;
  if (scheduled) setTimeout(flushWhenIdle, RETRY_MS);
}

/** Sends a heartbeat, or retries soon without room: until then the records in the pipe prove that this process lives. */
function beat(at: number): void {
  noteAlive(at);
  const slot = writer.slot(at);
  nextBeatAt = at + (slot < 0 ? RETRY_MS : HEARTBEAT_MS);
  if (slot >= 0) writeHeartbeat(writer.bytes, slot, { atMs: at, received, dropped, frames });
  writer.flush(at);
}

/**
 * Checks the packet socket's losses before each write, not at each frame. Records that wait then are from before or after
 * the loss, which cannot be known, so they are replaced by losses.
 */
function noteRingLosses(losses: RingLosses, bytes: Buffer, from: number, to: number): void {
  const missing = losses.look();
  if (missing === 0) return;
  noteLost(missing);
  dropped += forgetPackets(bytes, from, to);
  // setImmediate runs after the next poll phase, in which `cap` reads until the queue is empty.
  const until = losses.doubtfulUntil;
  setImmediate(() => losses.emptied(until));
}

function writeToPipe(bytes: Buffer, from: number, to: number): number {
  if (ring !== undefined) noteRingLosses(ring, bytes, from, to);
  return writeToDaemon(bytes, from, to);
}

async function main(): Promise<void> {
  const [interfaceName = '', protocols = '', packets = ''] = process.argv.slice(2);
  if (!isDeviceName(interfaceName) || (protocols !== 'tcp' && protocols !== 'udp')) {
    failInChild('started with wrong arguments');
  }
  if (packets !== 'opening' && packets !== 'any') failInChild('started with wrong arguments');
  udp = protocols === 'udp';
  view.anyTcp = packets === 'any';
  const scope: CaptureScope = { udp, tcp: packets };
  leaveWithDaemon();
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

/** Call it while files can still be read: /proc/self/fd lists the descriptors, one of which is libpcap's socket. */
function ringLosses(libc: Libc): RingLosses | undefined {
  const read = socketCounts(libc, descriptors());
  if (read === undefined) return undefined;
  return new RingLosses(() => read() ?? failInChild('the loss counters of the packet socket cannot be read'));
}

function descriptors(): readonly number[] {
  try {
    return readdirSync('/proc/self/fd').map(Number);
  } catch {
    return []; // no such folder on this system
  }
}

void main().catch((error: unknown) => failInChild((error as Error).message));
