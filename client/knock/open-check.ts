/**
 * Before a factor is spent: does the door stand open already, or is another run of ours opening it? An open door is not
 * knocked at again; a closed one answers nothing, so looking costs a time-out, and that must stay small.
 *
 *   never opened here, or long ago   no look: it costs nothing
 *   opened within the last day       one look of a few round trips
 *   another run has the turn         one look when it has come in, or when the turn is free
 *
 * Runs that wait leave the port alone. Ten that try it until it opens were up to fifteen connections when it did, and
 * sshd turns some away when more than ten have not logged in (MaxStartups).
 */
import type { Socket } from 'node:net';
import type { Address } from '../deps.ts';
import type { DoorMemory, LastSuccess } from '../factors/last-success.ts';
import type { Edges } from './attempt.ts';
import type { DoorLease, DoorLeases } from './door-lease.ts';
import { lookAtPort, portLookMs } from './port-look.ts';

export interface OpenCheckRequest {
  readonly addresses: readonly [Address, ...Address[]];
  readonly port: number;
  readonly memory: DoorMemory;
  readonly leases: DoorLeases;
  /** False for a door that lets one connection in for each knock: what is open there is another run's. */
  readonly mayShare: boolean;
  /** Milliseconds that all of it may take. */
  readonly leftMs: number;
  readonly signal: AbortSignal | undefined;
  /** Called once, when another run has the turn. */
  readonly onBusy: () => void;
}

export type OpenCheck =
  | { readonly kind: 'open'; readonly address: Address; readonly socket: Socket }
  | { readonly kind: 'closed'; readonly turn: DoorLease }
  /** Another run has the turn still. */
  | { readonly kind: 'late' };

/** After this nobody's grant lasts, as far as looking is worth its time. */
const RECENT_MS = 24 * 3600 * 1000;

/** How often a run that waits asks for the turn, and for news. */
const POLL_MS = 50;

export async function checkIfOpen(question: OpenCheckRequest, edges: Edges): Promise<OpenCheck> {
  const { addresses, port, memory, leases, mayShare, leftMs, signal, onBusy } = question;
  const { clock } = edges;
  const last = await memory.last();
  const [first] = addresses;

  function lastAmong(success: LastSuccess | undefined): Address {
    return addresses.find((each) => each.address === success?.address) ?? first;
  }
  async function lookAfter(success: LastSuccess | undefined): Promise<OpenCheck | undefined> {
    const address = lastAmong(success);
    const socket = await lookAtPort(address, port, portLookMs(success, clock.wallMs()), edges);
    return socket === undefined ? undefined : { kind: 'open', address, socket };
  }
  // A run that ended while we looked or waited has written down that it came in, and where.
  async function turnTaken(turn: DoorLease, mayBeOpen: boolean): Promise<OpenCheck> {
    const open = mayBeOpen ? await lookAfter(await memory.last()) : undefined;
    if (open === undefined) return { kind: 'closed', turn };
    await turn.release();
    return open;
  }

  // A time in the future is a clock that was set back: the look is cheap.
  if (mayShare && last !== undefined && last.port === port && clock.wallMs() - last.atMs < RECENT_MS) {
    const open = await lookAfter(last);
    if (open !== undefined) return open;
  }
  const untilMs = clock.wallMs() + leftMs;
  const free = await leases.take(untilMs);
  if (free !== undefined) {
    const isNews = mayShare && (await memory.last())?.atMs !== last?.atMs;
    return await turnTaken(free, isNews);
  }
  onBusy();
  const endMs = clock.monotonicMs() + leftMs;
  let known = last;
  while (clock.monotonicMs() < endMs) {
    await clock.sleep(POLL_MS, signal);
    if (signal?.aborted) break;
    const turn = await leases.take(untilMs);
    // Whoever had it may have opened the door and not come in: killed, or told not to look.
    if (turn !== undefined) return await turnTaken(turn, mayShare);
    if (!mayShare) continue;
    const news = await memory.last();
    if (news === undefined || news.atMs === known?.atMs) continue;
    known = news;
    const open = await lookAfter(news);
    if (open !== undefined) return open;
  }
  return { kind: 'late' };
}
