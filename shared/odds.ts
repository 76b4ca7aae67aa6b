/**
 * Computes how safe a door's shape is: bits of entropy, the stray budget, and the odds that random packets open it.
 * docs/SPEC.md 5.3 has the formula and its target, docs/design/matcher.md the reasons. All values are logarithms, because the numbers are tiny.
 */

export interface OddsInput {
  /** n: knocks of a sequence. */
  readonly knocks: number;
  /** R: number of (protocol, port) pairs that a knock can have. */
  readonly pairs: number;
  /** L: sequences of this shape that are live at the same time. */
  readonly liveSequences: number;
  /** True when the knocks may arrive in any order. */
  readonly anyOrder: boolean;
  /**
   * log2 of the number of possible sequences, for an attacker who knows their pairs and sends none of them twice.
   * Absent if the attacker must draw from `pairs` at random.
   */
  readonly bits?: number;
}

/** Random packets per second of the attacker for whom the stray budget is computed. */
export const ASSUMED_RANDOM_PACKETS_PER_SECOND = 1e5;
/** Maximum of openings per day that this attacker can expect. */
export const TOLERATED_OPENINGS_PER_DAY = 1e-6;
export const MAX_STRAYS = 256;
/** Below this budget spoofed packets easily block a door, so the configuration check warns. */
export const FEW_STRAYS = 16;
/** A derived door with fewer bits is refused unless the administrator allows it. */
export const MIN_ENTROPY_BITS = 48;

const SECONDS_PER_DAY = 86_400;

/** log2 of the number of different sequences: R!/(R-n)!, divided by n! if order does not matter. */
export function entropyBits({ knocks, pairs, anyOrder }: Omit<OddsInput, 'liveSequences' | 'bits'>): number {
  let bits = 0;
  for (let i = 0; i < knocks; i += 1) bits += Math.log2(Math.max(pairs - i, 1)) - (anyOrder ? Math.log2(i + 1) : 0);
  return bits;
}

/**
 * log10 of the openings expected per day from {@link ASSUMED_RANDOM_PACKETS_PER_SECOND} random packets with w =
 * `strays` allowed. One packet completes a sequence with probability C(n+w-1, n-1) * (n! if any order) * L / R^n. For
 * an attacker who knows the pairs (`bits`) it is at most C(n+w-1, n-1) * L / 2^bits: a packet can only complete the
 * sets that it forms with n-1 of the n+w-1 pairs before it.
 */
export function log10OpeningsPerDay(input: OddsInput, strays: number): number {
  const { knocks, pairs, liveSequences, anyOrder, bits } = input;
  if (liveSequences === 0) return Number.NEGATIVE_INFINITY;
  let log = Math.log10(liveSequences);
  for (let i = 1; i < knocks; i += 1) log += Math.log10(strays + i) - Math.log10(i);
  if (bits === undefined) {
    log -= knocks * Math.log10(pairs);
    if (anyOrder) for (let i = 2; i <= knocks; i += 1) log += Math.log10(i);
  } else log -= bits * Math.log10(2);
  return log + Math.log10(ASSUMED_RANDOM_PACKETS_PER_SECOND * SECONDS_PER_DAY);
}

/** The largest number of strays, 0 to 256, that keeps the odds at the target; 0 also if no number does. */
export function strayBudget(input: OddsInput): number {
  const tolerated = Math.log10(TOLERATED_OPENINGS_PER_DAY);
  let low = 0;
  let high = MAX_STRAYS;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (log10OpeningsPerDay(input, middle) <= tolerated) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** True when even a budget of no strays misses the target. */
export function isGuessable(input: OddsInput): boolean {
  return log10OpeningsPerDay(input, 0) > Math.log10(TOLERATED_OPENINGS_PER_DAY);
}
