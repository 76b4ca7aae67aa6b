/**
 * The story of a packet, from what the engine's core tells its observer: which knock of which door's sequence it was, what
 * it led to, and what earlier knocks were lost to. Used on a file and in the daemon alike.
 *
 * Which port is a knock of an unspent sequence is secret until somebody knocks it on purpose: the story of a sweep must
 * not be a list of all sequences. So a door is named from a source's second knock on, where no more strays lie between
 * than the door forgives; a first knock looks like a stray. Of a sequence that is spent, everything is told.
 */
import { type AddressKey, formatAddress } from '../../shared/address.ts';
import { knockOf, type Pair, type Protocol } from '../../shared/knock.ts';
import type { Effect } from '../core/engine.ts';
import type { LiveSequence } from '../core/matching/live-sequence.ts';
import type { Observer, Standing } from '../core/matching/observer.ts';
import type { RefusalReason } from '../core/policy.ts';

/** What has become of earlier knocks of the same sequence, so that they count no longer. */
export type Lost = 'slow' | 'strays' | 'order';

export interface ToldKnock {
  readonly door: string;
  /** Empty where a door does not know its clients apart. */
  readonly client: string;
  /** How many knocks count with this one, 0 to `of`. */
  readonly knock: number;
  readonly of: number;
  readonly strays: number;
  readonly maxStrays: number;
  /** From the first knock that counts to this one. */
  readonly seconds: number;
  readonly seqTimeout: number;
  readonly spent: boolean;
  readonly lost?: Lost;
}

export interface ToldOutcome {
  readonly door: string;
  readonly client: string;
  readonly opens: boolean;
  readonly reason?: RefusalReason;
}

export interface ToldPacket {
  readonly source: string;
  readonly destination: string;
  readonly protocol: Protocol;
  readonly port: number;
  /** Why it is no knock at any door; absent when it counts. */
  readonly ignored?: string;
  readonly knocks: readonly ToldKnock[];
  readonly outcomes: readonly ToldOutcome[];
}

/** The part of the engine that is asked. */
export interface SpentEngine {
  isSpent(sequence: LiveSequence): boolean;
}

interface Touch {
  readonly pair: Pair;
  readonly atMs: number;
  /** The source's packets that counted, up to this one. */
  readonly arrivals: number;
  lost: Lost | undefined;
}

interface SourceStory {
  arrivals: number;
  /** By sequence, the last touch. */
  readonly touches: Map<number, Touch>;
}

const MAX_SOURCES = 4_096;
const MAX_TOUCHES = 256;

export class PacketTrace implements Observer {
  readonly #engine: SpentEngine;
  readonly #sources = new Map<AddressKey, SourceStory>();
  #isWatched = false;
  #taken = 0;
  #atMs = 0;
  #pair: Pair = 0;
  #story: SourceStory = { arrivals: 0, touches: new Map() };
  #source: AddressKey | undefined;
  #knocks: ToldKnock[] = [];

  constructor(engine: SpentEngine) {
    this.#engine = engine;
  }

  /** Before the engine takes the packet. */
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
    if (this.#taken === 1) this.#story = this.#storyOf(this.#source);
  }

  touched(sequence: LiveSequence, standing: Standing): void {
    const spent = this.#engine.isSpent(sequence);
    const { touches, arrivals } = this.#story;
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

  /** Whether the packet was a knock that is told, after the engine took it. */
  get hasStory(): boolean {
    return this.#knocks.length > 0;
  }

  /** After the engine took it: its story. */
  end(destination: AddressKey, effects: readonly Effect[]): ToldPacket {
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

  /** The least recent source is forgotten where there are too many. */
  #storyOf(source: AddressKey | undefined): SourceStory {
    if (source === undefined) return { arrivals: 0, touches: new Map() };
    const story = this.#sources.get(source) ?? { arrivals: 0, touches: new Map() };
    story.arrivals += 1;
    this.#sources.delete(source);
    this.#sources.set(source, story);
    if (this.#sources.size > MAX_SOURCES) for (const [oldest] of this.#sources) if (this.#sources.delete(oldest)) break;
    return story;
  }
}

/** `before` is this source's knock before, where that was another one of the same sequence. */
function lostTo(
  sequence: LiveSequence,
  { knocks, untimed, seen }: Standing,
  atMs: number,
  before: Touch | undefined,
): Lost | undefined {
  if ((before !== undefined && atMs - before.atMs > sequence.seqTimeoutMs) || knocks < untimed) return 'slow';
  if (untimed < seen) return 'strays';
  if (before === undefined || knocks > 0 || sequence.order !== 'strict') return undefined;
  // It follows none that counts: what those before it were lost to is why.
  return before.lost ?? 'order';
}

function outcomeOf(effect: Effect): readonly ToldOutcome[] {
  if (effect.kind !== 'admit' && effect.kind !== 'refuse') return [];
  const { door, client } = effect;
  return [
    effect.kind === 'admit' ? { door, client, opens: true } : { door, client, opens: false, reason: effect.reason },
  ];
}
