/**
 * The story of packets as they come, for `knock-otpd explain --live`. Costs nothing while nobody follows. While somebody
 * does, so many packets a second are told and the rest is counted: a flood must not become a flood of lines, and what is
 * told of a knock has a budget of its own that strays cannot use up.
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
/** Packets a second: strays and what is no knock, and what has a story. */
const PLAIN_BUDGET = 200;
const STORY_BUDGET = 500;
const SECOND_MS = 1_000;

export class LiveTrace {
  readonly #engine: ObservedEngine;
  readonly #followers = new Set<(line: string) => void>();
  #trace: PacketTrace | undefined;
  #packets = 0;
  #skipped = 0;
  #secondMs = 0;
  #plain = 0;
  #stories = 0;

  constructor(engine: ObservedEngine) {
    this.#engine = engine;
  }

  /** Undefined when there are enough followers. */
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

  /** Before the engine takes a packet. */
  begin(atMs: number, source: AddressKey, pair: Pair): void {
    this.#trace?.begin(atMs, source, pair);
  }

  /** After it took it. */
  end(atMs: number, destination: AddressKey, effects: readonly Effect[], now: Now): void {
    const trace = this.#trace;
    if (trace === undefined) return;
    this.#packets += 1;
    if (now.monoMs - this.#secondMs >= SECOND_MS) {
      this.#secondMs = now.monoMs;
      this.#plain = 0;
      this.#stories = 0;
    }
    const isPlain = effects.length === 0 && !trace.hasStory;
    const spent = isPlain ? this.#plain : this.#stories;
    if (spent >= (isPlain ? PLAIN_BUDGET : STORY_BUDGET)) {
      this.#skipped += 1;
      return;
    }
    if (isPlain) this.#plain += 1;
    else this.#stories += 1;
    const time = new Date(now.wallMs - Math.max(0, now.monoMs - atMs)).toISOString();
    const skipped = this.#skipped === 0 ? {} : { skipped: this.#skipped };
    this.#skipped = 0;
    const line = JSON.stringify({ number: this.#packets, time, ...trace.end(destination, effects), ...skipped });
    for (const send of this.#followers) send(line);
  }
}
