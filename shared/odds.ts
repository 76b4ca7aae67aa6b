/**
 * How safe a door's shape is: bits of entropy, the stray budget, and the odds that random packets open it. The formula
 * and its target are in docs/SPEC.md 5.3, the reasons in docs/design/matcher.md. Everything is computed in logarithms
 * because the numbers are tiny.
 */

export interface OddsInput {
  /** n: knocks of a sequence. */
  readonly knocks: number;
  /** R: how many (protocol, port) pairs a knock may be. */
  readonly pairs: number;
  /** L: sequences of this shape that are live at the same moment. */
  readonly liveSequences: number;
  /** True when the knocks may arrive in any order. */
  readonly anyOrder: boolean;
  /**
   * log2 of how many sequences it could be, for a sender who knows which pairs those are made of and sends none of them
   * twice; absent where he has to draw from `pairs` at random.
   */
  readonly bits?: number;
}

/** Random packets a second that the stray budget is computed for. */
export const ASSUMED_RANDOM_PACKETS_PER_SECOND = 1e5;
/** Openings a day that such a sender may expect, at most. */
export const TOLERATED_OPENINGS_PER_DAY = 1e-6;
export const MAX_STRAYS = 256;
/** Below this budget a door is easily blocked by spoofed packets: worth a warning. */
export const FEW_STRAYS = 16;
/** A derived door with fewer bits than this is refused unless the administrator insists. */
export const MIN_ENTROPY_BITS = 48;

const SECONDS_PER_DAY = 86_400;

/** log2 of how many different sequences there are: R!/(R-n)!, divided by n! where order does not matter. */
export function entropyBits({ knocks, pairs, anyOrder }: Omit<OddsInput, 'liveSequences' | 'bits'>): number {
  let bits = 0;
  for (let i = 0; i < knocks; i += 1) bits += Math.log2(Math.max(pairs - i, 1)) - (anyOrder ? Math.log2(i + 1) : 0);
  return bits;
}

/**
 * log10 of the openings expected in a day from {@link ASSUMED_RANDOM_PACKETS_PER_SECOND} random packets with `strays`
 * allowed: one packet completes something with probability C(n+w-1, n-1) * (n! if any order) * L / R^n. Where a sender
 * knows the pairs (`bits`) it is at most C(n+w-1, n-1) * L / 2^bits, whatever he sends: a packet completes no other sets
 * than those that it makes with n-1 of the n+w-1 pairs before it.
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

/** The largest number of strays, 0 to 256, that keeps the odds at the target; 0 too where no number does. */
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
