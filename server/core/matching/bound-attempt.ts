/**
 * Keeps the attempts of one source at doors that bind sequences to the client's address (SPEC section 5.4). Such an
 * attempt has two parts. The first part is derived as at other doors and is live for every source. The second part is
 * also derived from the source's address, so it cannot be live in advance for all addresses. When a source has knocked
 * the first part, the whole attempt is derived and staged for it. Only a whole attempt is a completion.
 * `source-track.ts` keeps the packets.
 */
import type { Pair } from '../../../shared/knock.ts';
import type { LiveSequence } from './live-sequence.ts';
import type { SequenceIndex } from './sequence-index.ts';

/** Staged attempts of one source. Beyond it the oldest is forgotten; repeating its first part stages it again. */
const MAX_STAGED = 8;

export interface StagedAttempt {
  readonly first: LiveSequence;
  /** Pairs of the second part. */
  readonly second: readonly Pair[];
  /** Both parts together. Its id is the negated id of its first part, so it is in no index. */
  readonly whole: LiveSequence;
}

/** The staged attempts of one source. */
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

  /** Attempts that hold `pair`. Drops attempts whose first part is no longer live. */
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
 * Strays allowed in a first part: those of the attempt, plus all knocks of the second part, because the network may
 * deliver them before the last knock of the first part.
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
    // In any order, one packet serves a pair that is in both parts. In strict order the pair is knocked twice.
    pairs: first.order === 'any' ? [...new Set(both)] : both,
    maxStrays: first.maxStrays - first.pairs.length,
  };
}
