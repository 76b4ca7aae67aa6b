/**
 * One sequence at one address: sent, sent again where packets may be lost, and the port watched meanwhile. Which
 * sequence, and whether it may be used, is decided and made durable before.
 */
import type { Socket } from 'node:net';
import type { Knock } from '../../shared/knock.ts';
import type { Address, Deps, ProbeSeen, SendReport } from '../deps.ts';

export interface AttemptRequest {
  readonly address: Address;
  readonly knocks: readonly Knock[];
  readonly order: 'any' | 'strict';
  /** Milliseconds between two knocks. */
  readonly gapMs: number;
  /** When the whole sequence is sent again: milliseconds after the first time, rising. */
  readonly resendAfterMs: readonly number[];
  /** The TCP port that shows that the door is open; undefined to send without looking. */
  readonly verifyPort: number | undefined;
  /** How long the port is watched after the first time. */
  readonly patienceMs: number;
  /** Ends everything at once, where another host has won. */
  readonly signal?: AbortSignal | undefined;
}

export interface SentEvent {
  readonly kind: 'sent';
  readonly address: Address;
  readonly knocks: readonly Knock[];
  /** 0 for the first time. */
  readonly pass: number;
}

export interface AttemptOutcome {
  /** Of the first time. */
  readonly report: SendReport;
  /** The connection that proved that the door is open; the caller owns it. */
  readonly socket: Socket | undefined;
}

export type Edges = Pick<Deps, 'clock' | 'network'>;

/** @param seen what the port said while it was closed, added to */
export async function attempt(
  request: AttemptRequest,
  edges: Edges,
  seen: ProbeSeen,
  listener: (event: SentEvent) => void,
): Promise<AttemptOutcome> {
  const { address, knocks, order, gapMs, resendAfterMs, verifyPort, patienceMs, signal: ended } = request;
  const { clock, network } = edges;

  const over = new AbortController();
  ended?.addEventListener('abort', () => over.abort(), { once: true });
  if (ended?.aborted) over.abort();

  async function send(pass: number, signal?: AbortSignal): Promise<SendReport> {
    // Where the server's ports listen, a knock is a connection, and that takes a round trip. Their order is never strict.
    const common = order === 'any' ? { order, gapMs, hold: over.signal } : { order, gapMs };
    const options = signal === undefined ? common : { ...common, signal };
    const report = await network.send(address, knocks, options);
    if (report.sent > 0) listener({ kind: 'sent', address, knocks, pass });
    return report;
  }
  async function repeat(untilMs: number, signal?: AbortSignal): Promise<void> {
    let elapsed = 0;
    for (const [at, afterMs] of resendAfterMs.entries()) {
      if (clock.monotonicMs() >= untilMs) return;
      await clock.sleep(afterMs - elapsed, signal);
      if (signal?.aborted) return;
      elapsed = afterMs;
      await send(at + 1, signal);
    }
  }

  const report = await send(0, ended);
  const untilMs = clock.monotonicMs() + Math.max(patienceMs, 0);
  const isHopeless = report.sent === 0 && (verifyPort === undefined || resendAfterMs.length === 0);
  if (isHopeless) return { report, socket: undefined };
  if (verifyPort === undefined) {
    await repeat(untilMs, ended);
    return { report, socket: undefined };
  }
  const patience = clock.sleep(Math.max(patienceMs, 0), over.signal).then(() => over.abort());
  const repeating = repeat(untilMs, over.signal);
  const socket = await network.probe(address, verifyPort, seen, over.signal);
  over.abort();
  await Promise.all([patience, repeating]);
  return { report, socket };
}
