/**
 * Checks before a factor is spent: is the door open already, or is another run of this client opening it? The client
 * does not knock at an open door again. A closed port does not answer, so each look costs a time-out, which must be
 * short.
 *
 *   never opened from here, or long ago   no look, no cost
 *   opened within the last day            one look of a few round trips
 *   another run holds the lease           one look when that run has succeeded, or when the lease is free
 *
 * Waiting runs leave the port alone. Ten runs that probe it until it opens make up to fifteen connections at once, and
 * sshd refuses some when more than ten have not logged in (MaxStartups).
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
  /** False for a door that lets in one connection for each knock: an open port there belongs to another run. */
  readonly mayShare: boolean;
  /** Milliseconds for the whole check. */
  readonly leftMs: number;
  readonly signal: AbortSignal | undefined;
  /** Called once, when another run holds the lease. */
  readonly onBusy: () => void;
}

export type OpenCheck =
  | { readonly kind: 'open'; readonly address: Address; readonly socket: Socket }
  | { readonly kind: 'closed'; readonly lease: DoorLease }
  /** Another run still holds the lease. */
  | { readonly kind: 'late' };

/** Hardly any grant lasts longer, so a look is not worth its time after this. */
const RECENT_MS = 24 * 3600 * 1000;

/** How often a waiting run tries to get the lease and reads the last success. */
const POLL_MS = 50;

export async function checkIfOpen(request: OpenCheckRequest, edges: Edges): Promise<OpenCheck> {
  const { addresses, port, memory, leases, mayShare, leftMs, signal, onBusy } = request;
  const { clock } = edges;
  const last = await memory.last();
  const [first] = addresses;

  function lastAddress(success: LastSuccess | undefined): Address {
    return addresses.find((each) => each.address === success?.address) ?? first;
  }
  async function lookAtLast(success: LastSuccess | undefined): Promise<OpenCheck | undefined> {
    const address = lastAddress(success);
    const socket = await lookAtPort(address, port, portLookMs(success, clock.wallMs()), edges);
    return socket === undefined ? undefined : { kind: 'open', address, socket };
  }
  // A run that succeeded meanwhile has saved when and where.
  async function withLease(lease: DoorLease, mayBeOpen: boolean): Promise<OpenCheck> {
    const open = mayBeOpen ? await lookAtLast(await memory.last()) : undefined;
    if (open === undefined) return { kind: 'closed', lease };
    await lease.release();
    return open;
  }

  // A time in the future means that the clock was set back: looking is cheap.
  if (mayShare && last !== undefined && last.port === port && clock.wallMs() - last.atMs < RECENT_MS) {
    const open = await lookAtLast(last);
    if (open !== undefined) return open;
  }
  const untilMs = clock.wallMs() + leftMs;
  const firstLease = await leases.take(untilMs);
  if (firstLease !== undefined) {
    const hasSucceeded = mayShare && (await memory.last())?.atMs !== last?.atMs;
    return await withLease(firstLease, hasSucceeded);
  }
  onBusy();
  const endMs = clock.monotonicMs() + leftMs;
  let lastKnown = last;
  while (clock.monotonicMs() < endMs) {
    await clock.sleep(POLL_MS, signal);
    if (signal?.aborted) break;
    const lease = await leases.take(untilMs);
    // Its last holder may have opened the door without a connection: killed, or with --no-verify.
    if (lease !== undefined) return await withLease(lease, mayShare);
    if (!mayShare) continue;
    const success = await memory.last();
    if (success === undefined || success.atMs === lastKnown?.atMs) continue;
    lastKnown = success;
    const open = await lookAtLast(success);
    if (open !== undefined) return open;
  }
  return { kind: 'late' };
}
