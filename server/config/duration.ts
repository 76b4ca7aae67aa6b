/** Parses durations: `90`, `90s`, `5m`, `1h`, `1d`. A number without a letter is seconds. */

const SECONDS: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3_600, d: 86_400 };

/** Whole seconds, at least 1 and below 2^31 milliseconds, the limit of timers; undefined for any other text. */
export function parseDuration(text: string): number | undefined {
  const match = /^([1-9][0-9]{0,6})([smhd]?)$/.exec(text.trim());
  if (match === null) return undefined;
  const [, digits = '', letter = ''] = match;
  const seconds = Number(digits) * (SECONDS[letter] ?? 0);
  return seconds * 1_000 < 2 ** 31 ? seconds : undefined;
}
