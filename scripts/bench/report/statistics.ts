/** Arithmetic of measurements: order statistics and bounds of rates. Pure; callers choose the units. */

export interface Summary {
  readonly count: number;
  readonly min: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/**
 * The smallest value that at least `percent` of all values do not exceed (nearest rank): always a measured value.
 * @param percent above 0, at most 100
 * @returns NaN for no values
 */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const rank = Math.ceil((percent / 100) * sorted.length);
  return sorted[Math.max(rank, 1) - 1] ?? Number.NaN;
}

export function summarize(values: readonly number[]): Summary {
  return {
    count: values.length,
    min: percentile(values, Number.EPSILON),
    p50: percentile(values, 50),
    p99: percentile(values, 99),
    max: percentile(values, 100),
  };
}

/**
 * The lower end of Wilson's interval for a rate, 95 % one-sided: the least true rate that fits this number of
 * successes. 0 for 0 of 0.
 */
export function rateAtLeast(successes: number, runs: number): number {
  if (runs === 0) return 0;
  const z = 1.645;
  const rate = successes / runs;
  const middle = rate + z ** 2 / (2 * runs);
  const spread = z * Math.sqrt((rate * (1 - rate)) / runs + z ** 2 / (4 * runs ** 2));
  return Math.max(0, (middle - spread) / (1 + z ** 2 / runs));
}

/**
 * The rise of a series from its first third to its last, in the unit of its values. Uses medians, so one spike is no
 * rise.
 */
export function drift(values: readonly number[]): number {
  const third = Math.max(1, Math.floor(values.length / 3));
  return percentile(values.slice(-third), 50) - percentile(values.slice(0, third), 50);
}
