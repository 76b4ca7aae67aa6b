/** Durations as people write them: `90`, `90s`, `5m`, `1h`, `1d`. Without a letter they are seconds. */

const SECONDS: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3_600, d: 86_400 };

/** Whole seconds from 1 to some 11 days short of 2^31 milliseconds, which timers hold; undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  const found = /^([1-9][0-9]{0,6})([smhd]?)$/.exec(text.trim());
  if (found === null) return undefined;
  const [, digits = '', letter = ''] = found;
  const seconds = Number(digits) * (SECONDS[letter] ?? 0);
  return seconds * 1_000 < 2 ** 31 ? seconds : undefined;
}
