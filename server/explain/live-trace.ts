/**
 * Sends the daemon's packets to followers, for `knock-otpd explain --live`. Costs nothing without followers. Sends a
 * limited number of packets a second and counts the others, so a packet flood does not become a flood of lines. Knocks have
 * their own budget, which strays cannot use up.
 */
import type { AddressKey } from '../../shared/address.ts';
import type { Pair } from '../../shared/knock.ts';
import type { Effect } from '../core/engine.ts';
import type { Now } from '../core/grants.ts';
import type { Observer } from '../core/matching/observer.ts';
import { PacketTrace, type SpentEngine } from './trace.ts';

export interface ObservedEngine extends SpentEngine {
  observe(observer: Observer | undefined): void;
}

const MAX_FOLLOWERS = 4;
/** Packets a second: strays and ignored packets share one budget, traced knocks and outcomes the other. */
const STRAY_LINES = 200;
const KNOCK_LINES = 500;
const SECOND_MS = 1_000;

export class LiveTrace {
  readonly #engine: ObservedEngine;
  readonly #followers = new Set<(line: string) => void>();
  #trace: PacketTrace | undefined;
  #packets = 0;
  #skipped = 0;
  #secondMs = 0;
  #strayLines = 0;
  #knockLines = 0;

  constructor(engine: ObservedEngine) {
    this.#engine = engine;
  }

  /** Returns a function that ends following; undefined when there are too many followers. */
  readonly follow = (send: (line: string) => void): (() => void) | undefined => {
    if (this.#followers.size >= MAX_FOLLOWERS) return undefined;
    this.#followers.add(send);
    this.#trace ??= new PacketTrace(this.#engine);
    this.#engine.observe(this.#trace);
    return () => {
      this.#followers.delete(send);
      if (this.#followers.size > 0) return;
      this.#trace = undefined;
      this.#engine.observe(undefined);
    };
  };

  /** Call before the engine decides a packet. */
  begin(atMs: number, source: AddressKey, pair: Pair): void {
    this.#trace?.begin(atMs, source, pair);
  }

  /** Call after the engine has decided the packet. */
  end(atMs: number, destination: AddressKey, effects: readonly Effect[], now: Now): void {
    const trace = this.#trace;
    if (trace === undefined) return;
    this.#packets += 1;
    if (now.monoMs - this.#secondMs >= SECOND_MS) {
      this.#secondMs = now.monoMs;
      this.#strayLines = 0;
      this.#knockLines = 0;
    }
    const isStray = effects.length === 0 && !trace.hasKnocks;
    const sent = isStray ? this.#strayLines : this.#knockLines;
    if (sent >= (isStray ? STRAY_LINES : KNOCK_LINES)) {
      this.#skipped += 1;
      return;
    }
    if (isStray) this.#strayLines += 1;
    else this.#knockLines += 1;
    const time = new Date(now.wallMs - Math.max(0, now.monoMs - atMs)).toISOString();
    const skipped = this.#skipped === 0 ? {} : { skipped: this.#skipped };
    this.#skipped = 0;
    const line = JSON.stringify({ number: this.#packets, time, ...trace.end(destination, effects), ...skipped });
    for (const send of this.#followers) send(line);
  }
}
