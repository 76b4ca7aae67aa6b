/**
 * Traces a packet as the engine's observer: which knock of which door's sequence it is, its outcome, and why earlier knocks
 * no longer count. Used for files and in the daemon.
 *
 * The ports of an unspent sequence are secret: the trace of a sweep must not list all sequences. So a trace names a door only
 * from a source's second knock on, with at most as many strays in between as the door forgives. A first knock looks like a
 * stray. Knocks of a spent sequence are traced completely.
 */
import { type AddressKey, formatAddress } from '../../shared/address.ts';
import { knockOf, type Pair, type Protocol } from '../../shared/knock.ts';
import type { Effect } from '../core/engine.ts';
import type { LiveSequence } from '../core/matching/live-sequence.ts';
import type { Observer, Standing } from '../core/matching/observer.ts';
import type { RefusalReason } from '../core/policy.ts';

/** Why earlier knocks of the same sequence no longer count. */
export type Lost = 'slow' | 'strays' | 'order';

export interface TracedKnock {
  readonly door: string;
  /** Empty at a door without clients. */
  readonly client: string;
  /** How many knocks count, with this one: 0 to `of`. */
  readonly knock: number;
  readonly of: number;
  readonly strays: number;
  readonly maxStrays: number;
  /** Time since the first knock that counts. */
  readonly seconds: number;
  readonly seqTimeout: number;
  readonly spent: boolean;
  readonly lost?: Lost;
}

export interface TracedOutcome {
  readonly door: string;
  readonly client: string;
  readonly opens: boolean;
  readonly reason?: RefusalReason;
}

export interface TracedPacket {
  readonly source: string;
  readonly destination: string;
  readonly protocol: Protocol;
  readonly port: number;
  /** Why it is no knock at any door; absent when it counts. */
  readonly ignored?: string;
  readonly knocks: readonly TracedKnock[];
  readonly outcomes: readonly TracedOutcome[];
}

/** The part of the engine that the trace uses. */
export interface SpentEngine {
  isSpent(sequence: LiveSequence): boolean;
}

interface Touch {
  readonly pair: Pair;
  readonly atMs: number;
  /** The source's counted packets, up to this one. */
  readonly arrivals: number;
  lost: Lost | undefined;
}

interface SourceHistory {
  arrivals: number;
  /** The last touch by sequence id. */
  readonly touches: Map<number, Touch>;
}

const MAX_SOURCES = 4_096;
const MAX_TOUCHES = 256;

export class PacketTrace implements Observer {
  readonly #engine: SpentEngine;
  readonly #sources = new Map<AddressKey, SourceHistory>();
  #isWatched = false;
  #taken = 0;
  #atMs = 0;
  #pair: Pair = 0;
  #history: SourceHistory = { arrivals: 0, touches: new Map() };
  #source: AddressKey | undefined;
  #knocks: TracedKnock[] = [];

  constructor(engine: SpentEngine) {
    this.#engine = engine;
  }

  /** Call before the engine decides the packet. */
  begin(atMs: number, source: AddressKey, pair: Pair): void {
    this.#atMs = atMs;
    this.#pair = pair;
    this.#source = source;
    this.#taken = 0;
    this.#isWatched = false;
    this.#knocks = [];
  }

  arrived(isWatched: boolean): void {
    this.#isWatched = isWatched;
  }

  taken(): void {
    this.#taken += 1;
    if (this.#taken === 1) this.#history = this.#historyOf(this.#source);
  }

  touched(sequence: LiveSequence, standing: Standing): void {
    const spent = this.#engine.isSpent(sequence);
    const { touches, arrivals } = this.#history;
    const before = touches.get(sequence.id);
    const touch: Touch = { pair: this.#pair, atMs: this.#atMs, arrivals, lost: undefined };
    touches.delete(sequence.id);
    touches.set(sequence.id, touch);
    if (touches.size > MAX_TOUCHES) for (const [oldest] of touches) if (touches.delete(oldest)) break;
    const follows =
      before !== undefined && before.pair !== this.#pair && arrivals - before.arrivals <= sequence.maxStrays + 1;
    if (!spent && standing.seen < 2 && !follows) return;
    const lost = lostTo(sequence, standing, this.#atMs, follows ? before : undefined);
    touch.lost = lost;
    this.#knocks.push({
      door: sequence.door,
      client: sequence.client,
      knock: standing.knocks,
      of: sequence.pairs.length,
      strays: standing.strays,
      maxStrays: sequence.maxStrays,
      seconds: Math.round(this.#atMs - standing.startedAtMs) / 1000,
      seqTimeout: sequence.seqTimeoutMs / 1000,
      spent,
      ...(lost === undefined ? {} : { lost }),
    });
  }

  /** Whether the packet has traced knocks, after the engine has decided it. */
  get hasKnocks(): boolean {
    return this.#knocks.length > 0;
  }

  /** Call after the engine has decided the packet; returns its trace. */
  end(destination: AddressKey, effects: readonly Effect[]): TracedPacket {
    const { protocol, port } = knockOf(this.#pair);
    const ignored =
      this.#taken > 0
        ? undefined
        : this.#isWatched
          ? 'its TCP flags are not those of a knock at any door'
          : "not to this host's own addresses, nor to the target of a door";
    return {
      source: this.#source === undefined ? '' : formatAddress(this.#source),
      destination: formatAddress(destination),
      protocol,
      port,
      ...(ignored === undefined ? {} : { ignored }),
      knocks: this.#knocks,
      outcomes: effects.flatMap(outcomeOf),
    };
  }

  /** Forgets the least recent source when there are too many. */
  #historyOf(source: AddressKey | undefined): SourceHistory {
    if (source === undefined) return { arrivals: 0, touches: new Map() };
    const history = this.#sources.get(source) ?? { arrivals: 0, touches: new Map() };
    history.arrivals += 1;
    this.#sources.delete(source);
    this.#sources.set(source, history);
    if (this.#sources.size > MAX_SOURCES) for (const [oldest] of this.#sources) if (this.#sources.delete(oldest)) break;
    return history;
  }
}

/** `before` is this source's previous knock of the same sequence, at another pair. */
function lostTo(
  sequence: LiveSequence,
  { knocks, untimed, seen }: Standing,
  atMs: number,
  before: Touch | undefined,
): Lost | undefined {
  if ((before !== undefined && atMs - before.atMs > sequence.seqTimeoutMs) || knocks < untimed) return 'slow';
  if (untimed < seen) return 'strays';
  if (before === undefined || knocks > 0 || sequence.order !== 'strict') return undefined;
  // It follows no knock that counts, so the reason is that of the earlier knocks.
  return before.lost ?? 'order';
}

function outcomeOf(effect: Effect): readonly TracedOutcome[] {
  if (effect.kind !== 'admit' && effect.kind !== 'refuse') return [];
  const { door, client } = effect;
  return [
    effect.kind === 'admit' ? { door, client, opens: true } : { door, client, opens: false, reason: effect.reason },
  ];
}
