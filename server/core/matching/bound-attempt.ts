/**
 * Knocks at doors that bind sequences to the client's address (SPEC section 5.4). An attempt has two parts. The first is
 * derived as at other doors and is live for everyone; the second is derived from the source's address too, and nobody can
 * know all addresses beforehand. So whoever has knocked the first part has a whole attempt made for him, which is looked
 * for in what he sent and sends; only a whole attempt is a completion. Knows nothing of packets; a track holds these.
 */
import type { Pair } from '../../../shared/knock.ts';
import type { LiveSequence } from './live-sequence.ts';
import type { SequenceIndex } from './sequence-index.ts';

/** Attempts that one source can be in the middle of; beyond it the oldest is forgotten, and made again when he repeats it. */
const MAX_STAGED = 8;

export interface StagedAttempt {
  readonly first: LiveSequence;
  /** Pairs of the second part. */
  readonly second: readonly Pair[];
  /** Both parts: what completes. Its id is its first part's with a minus, so that it is in no index. */
  readonly whole: LiveSequence;
}

/** One source's. */
export class StagedAttempts {
  readonly #attempts = new Map<number, StagedAttempt>();

  has(first: LiveSequence): boolean {
    return this.#attempts.has(first.id);
  }

  stage(first: LiveSequence, second: readonly Pair[]): StagedAttempt {
    const attempt = { first, second, whole: wholeOf(first, second) };
    this.#attempts.set(first.id, attempt);
    for (const [oldest] of this.#attempts) {
      if (this.#attempts.size <= MAX_STAGED) break;
      this.#attempts.delete(oldest);
    }
    return attempt;
  }

  /** Attempts that a packet to `pair` may complete. Those whose first part is live no more are gone. */
  containing(pair: Pair, index: SequenceIndex): readonly StagedAttempt[] {
    const found: StagedAttempt[] = [];
    for (const [id, attempt] of this.#attempts) {
      if (!index.has(id)) this.#attempts.delete(id);
      else if (attempt.whole.pairs.includes(pair)) found.push(attempt);
    }
    return found;
  }

  delete(first: LiveSequence): void {
    this.#attempts.delete(first.id);
  }
}

/**
 * Strays that a first part forgives: those of the attempt, and all knocks of the second part, which the path may have
 * put before the first part's last one.
 */
export function firstPartStrays(knocks: number, maxStrays: number): number {
  return knocks + maxStrays;
}

function wholeOf(first: LiveSequence, second: readonly Pair[]): LiveSequence {
  const { secondPart: _, ...rest } = first;
  const both = [...first.pairs, ...second];
  return {
    ...rest,
    id: -first.id,
    // In any order a pair of both parts is seen once it has been seen; in strict order it is knocked twice.
    pairs: first.order === 'any' ? [...new Set(both)] : both,
    maxStrays: first.maxStrays - first.pairs.length,
  };
}
