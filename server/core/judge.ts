/**
 * Decides what a completed sequence leads to, and a second source on one, and a wrong combination: an admission, a
 * refusal, a contest or a penalty. The judge combines the policy of the factor, the unspent lines, contests, penalties
 * and throttling. It spends in memory at once, so that nothing is accepted twice. `engine.ts` feeds it; the daemon
 * makes spends durable.
 */
import type { AddressKey } from '../../shared/address.ts';
import { Contest } from './contest.ts';
import { type Door, UNUSED } from './door.ts';
import type { Admission, Effect, Ignored, Refusal, Spend } from './effects.ts';
import type { Now } from './grants.ts';
import type { ListedSet } from './matching/listed-set.ts';
import type { LiveSequence } from './matching/live-sequence.ts';
import type { LiveSet } from './matching/live-set.ts';
import type { Completion } from './matching/matcher.ts';
import { Penalties } from './matching/penalty.ts';
import { decideFactor, type RefusalReason } from './policy.ts';
import { Throttle, type ThrottleLimits } from './throttle.ts';

export interface JudgeParts {
  readonly live: LiveSet;
  readonly listed: ListedSet;
  readonly throttle: ThrottleLimits;
  readonly isClockTrusted: (door: Door, wallMs: number) => boolean;
}

/** First and last packet of a run, monotonic milliseconds. */
type Span = Pick<Completion, 'startedAtMs' | 'completedAtMs'>;

export class Judge {
  readonly #parts: JudgeParts;
  readonly #contest = new Contest();
  readonly #penalties = new Penalties();
  readonly #throttle: Throttle;

  constructor(parts: JudgeParts) {
    this.#parts = parts;
    this.#throttle = new Throttle(parts.throttle);
  }

  /** `source` became a contender for the sequence with a packet at `atMs`. */
  contend(sequence: LiveSequence, source: AddressKey, atMs: number, now: Now): Effect | undefined {
    if (sequence.contestFrom === undefined || this.#contest.isOver(sequence, atMs)) return undefined;
    const other = this.#contest.addContender(sequence, source);
    if (other === undefined) return undefined;
    const { door, client } = sequence;
    const contested = { kind: 'contested', door, client, source, other } as const;
    if (this.#door(door)?.contested !== 'refuse') return contested;
    const admitted = this.#contest.recentlyAdmitted(sequence, atMs);
    if (admitted !== undefined) return { ...contested, closes: admitted };
    const judged = this.#factor(sequence, { startedAtMs: atMs, completedAtMs: atMs }, now);
    if (typeof judged === 'string') return contested;
    return { ...contested, spend: this.#spendUnopened(sequence, judged, now) };
  }

  /** `source` made a wrong combination with a packet at `atMs`. No penalty if the sequence is spent. */
  penalize({ door, client, keyId, factor }: LiveSequence, source: AddressKey, atMs: number): Ignored | undefined {
    const { live, listed } = this.#parts;
    const forMs = this.#door(door)?.penaltyMs;
    const isSpent =
      listed.door(door) === undefined
        ? factor <= (live.state(door, client, keyId)?.spent ?? factor)
        : !listed.isUnspent(door, factor);
    if (forMs === undefined || isSpent) return undefined;
    this.#penalties.punish(door, source, atMs, forMs);
    return { kind: 'ignored', door, source, forMs };
  }

  /** Call {@link contend} first: a completing packet also makes a contender. */
  judgeCompletion(completion: Completion, now: Now): Admission | Refusal {
    const { sequence, source, strays, completedAtMs } = completion;
    const { door, client } = sequence;
    const isOver = this.#contest.isOver(sequence, completedAtMs);
    const other = isOver ? undefined : this.#contest.rivalOf(sequence, source);
    const refusal = (reason: RefusalReason): Refusal => ({
      kind: 'refuse',
      door,
      client,
      source,
      ...(other === undefined ? { reason } : { reason: 'contested', other }),
    });
    const judged = this.#factor(sequence, completion, now);
    if (typeof judged === 'string') return this.#failed(refusal(judged), now.monoMs);
    if (other !== undefined && this.#door(door)?.contested === 'refuse') {
      return { ...refusal('contested'), spend: this.#spendUnopened(sequence, judged, now) };
    }
    if (this.#penalties.isIgnored(door, source, completion.startedAtMs)) {
      return {
        kind: 'refuse',
        door,
        client,
        source,
        reason: 'penalty',
        spend: this.#spendUnopened(sequence, judged, now),
      };
    }
    this.#markSpent(sequence, judged, now);
    this.#contest.opened(sequence, source, completedAtMs);
    this.#throttle.succeed(door, source);
    return { kind: 'admit', door, client, source, spend: judged, strays };
  }

  /** Counts a failure, except `clock-back`, which is the server's. */
  #failed(refusal: Refusal, nowMs: number): Refusal {
    const { door, source, reason } = refusal;
    if (reason === 'clock-back') return refusal;
    const isLockedOut = this.#throttle.isLockedOut(door, source, nowMs);
    this.#throttle.fail(door, source, nowMs);
    return isLockedOut ? { ...refusal, reason: 'throttled' } : refusal;
  }

  /** What must be spent to open with this sequence now, or the reason to refuse it. */
  #factor(sequence: LiveSequence, span: Span, now: Now): Spend | RefusalReason {
    const { live, listed, isClockTrusted } = this.#parts;
    const { door, client, keyId, factor } = sequence;
    const written = listed.door(door);
    if (written !== undefined) {
      if (!listed.isUnspent(door, factor)) return 'replay';
      return written.mode === 'static' ? { kind: 'nothing' } : { kind: 'line', line: factor };
    }
    const policy = live.door(door);
    const state = live.state(door, client, keyId);
    if (policy === undefined || state === undefined) return 'outside-window';
    const decision = decideFactor(policy, state, factor, {
      completedWallMs: now.wallMs - elapsedMs(span.completedAtMs, now),
      startedWallMs: now.wallMs - elapsedMs(span.startedAtMs, now),
      clockTrusted: isClockTrusted(policy, now.wallMs),
    });
    return decision.accept ? { kind: 'factor', keyId, factor, state: decision.state } : decision.reason;
  }

  /** Spends a sequence that opens nothing; the client's drift and last use stay. */
  #spendUnopened(sequence: LiveSequence, spend: Spend, now: Now): Spend {
    const before = this.#parts.live.state(sequence.door, sequence.client, sequence.keyId) ?? UNUSED;
    const unopened = spend.kind === 'factor' ? { ...spend, state: { ...before, spent: spend.factor } } : spend;
    this.#markSpent(sequence, unopened, now);
    return unopened;
  }

  /** In memory, before the store: a second completion in the same batch must already be a replay. */
  #markSpent({ door, client }: LiveSequence, spend: Spend, now: Now): void {
    if (spend.kind === 'factor') this.#parts.live.markSpent(door, client, spend.state);
    else if (spend.kind === 'line') this.#parts.listed.markSpent(door, spend.line, now.monoMs);
  }

  #door(name: string): Door | undefined {
    return this.#parts.live.door(name) ?? this.#parts.listed.door(name);
  }
}

/** Rounded, because wall times are whole milliseconds. At least 0: capture processes read the clock themselves. */
function elapsedMs(atMs: number, now: Now): number {
  return Math.max(0, Math.round(now.monoMs - atMs));
}
