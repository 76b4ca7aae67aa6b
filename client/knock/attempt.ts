/**
 * One attempt: sends one sequence to one address, sends it again in case packets are lost, and watches the port
 * meanwhile. The caller has chosen the sequence and saved its factor as used before.
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
  /** When the whole sequence is sent again: milliseconds after the first pass, rising. */
  readonly resendAfterMs: readonly number[];
  /** The TCP port that shows that the door is open; undefined to send without verification. */
  readonly verifyPort: number | undefined;
  /** Milliseconds for which the port is watched after the first pass. */
  readonly patienceMs: number;
  /** Ends the attempt at once, when another host has opened. */
  readonly signal?: AbortSignal | undefined;
}

export interface SentEvent {
  readonly kind: 'sent';
  readonly address: Address;
  readonly knocks: readonly Knock[];
  /** 0 for the first pass. */
  readonly pass: number;
}

export interface AttemptOutcome {
  /** Of the first pass. */
  readonly report: SendReport;
  /** The connection that proved that the door is open; the caller owns it. */
  readonly socket: Socket | undefined;
}

export type Edges = Pick<Deps, 'clock' | 'network'>;

/** @param seen counts the answers of the port while it is closed */
export async function attempt(
  request: AttemptRequest,
  edges: Edges,
  seen: ProbeSeen,
  listener: (event: SentEvent) => void,
): Promise<AttemptOutcome> {
  const { address, knocks, order, gapMs, resendAfterMs, verifyPort, patienceMs, signal } = request;
  const { clock, network } = edges;

  const over = new AbortController();
  signal?.addEventListener('abort', () => over.abort(), { once: true });
  if (signal?.aborted) over.abort();

  async function send(pass: number, cancel?: AbortSignal): Promise<SendReport> {
    // On a server whose ports listen, a knock is a connection, which takes a round trip. The order is not strict there.
    const common = order === 'any' ? { order, gapMs, hold: over.signal } : { order, gapMs };
    const options = cancel === undefined ? common : { ...common, signal: cancel };
    const report = await network.send(address, knocks, options);
    if (report.sent > 0) listener({ kind: 'sent', address, knocks, pass });
    return report;
  }
  async function repeat(untilMs: number, cancel?: AbortSignal): Promise<void> {
    let elapsed = 0;
    for (const [at, afterMs] of resendAfterMs.entries()) {
      if (clock.monotonicMs() >= untilMs) return;
      await clock.sleep(afterMs - elapsed, cancel);
      if (cancel?.aborted) return;
      elapsed = afterMs;
      await send(at + 1, cancel);
    }
  }

  const report = await send(0, signal);
  const untilMs = clock.monotonicMs() + Math.max(patienceMs, 0);
  const isHopeless = report.sent === 0 && (verifyPort === undefined || resendAfterMs.length === 0);
  if (isHopeless) return { report, socket: undefined };
  if (verifyPort === undefined) {
    await repeat(untilMs, signal);
    return { report, socket: undefined };
  }
  const patience = clock.sleep(Math.max(patienceMs, 0), over.signal).then(() => over.abort());
  const repeating = repeat(untilMs, over.signal);
  const socket = await network.probe(address, verifyPort, seen, over.signal);
  over.abort();
  await Promise.all([patience, repeating]);
  return { report, socket };
}
