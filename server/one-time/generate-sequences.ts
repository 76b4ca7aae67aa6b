/**
 * Making one-time sequences: at random, or from a shared secret and a counter, so that both sides make the same file
 * without copying it. Knows how good they are; writing them down is sequences-command's and paper-sheet's work. Randomness
 * is given, and nothing here could be seeded: what can be made again by somebody else is no secret.
 */
import {
  type DerivationKey,
  deriveSequence,
  type Identity,
  MAX_KNOCKS,
  MIN_KNOCKS,
  type Shape,
} from '../../shared/derive.ts';
import { KnockError } from '../../shared/errors.ts';
import { formatSequenceLine } from '../../shared/formats/sequences-file.ts';
import type { Knock, Protocol } from '../../shared/knock.ts';
import { entropyBits, isGuessable, log10OpeningsPerDay, MIN_ENTROPY_BITS, strayBudget } from '../../shared/odds.ts';

/** Below this many bits a file is not made unless the administrator insists; below 48 he is warned. */
export const LEAST_BITS = 32;
export const MAX_COUNT = 100_000;

/** Fresh bytes of a cryptographic generator. */
export type RandomBytes = (count: number) => Uint8Array;

export interface Strength {
  /** log2 of the number of sequences of the shape, in the order that they must be knocked in. */
  readonly bits: number;
  /** Openings a day that 100,000 random packets a second may expect, with `strays` forgiven. */
  readonly log10OpeningsPerDay: number;
  readonly strays: number;
  /** Warned of: below 48 bits, or guessable by random packets with no stray forgiven. */
  readonly isWeak: boolean;
}

/** How hard a sequence of the shape is to guess while `lookAhead` lines of the file are live. */
export function strengthOf({ knocks, ports, protocols }: Shape, lookAhead: number): Strength {
  // Ports are distinct whatever their protocol, so `both` adds one bit a knock rather than doubling the ports.
  const bits = entropyBits({ knocks, pairs: ports.length, anyOrder: false }) + (protocols === 'both' ? knocks : 0);
  const pairs = protocols === 'both' ? 2 * ports.length : ports.length;
  const odds = { knocks, pairs, liveSequences: lookAhead, anyOrder: false };
  const strays = strayBudget(odds);
  return {
    bits,
    strays,
    log10OpeningsPerDay: log10OpeningsPerDay(odds, strays),
    isWeak: bits < MIN_ENTROPY_BITS || isGuessable(odds),
  };
}

/**
 * `count` different sequences of the shape, each as likely as any other.
 * @throws KnockError CONFIG_INVALID when there are not that many, or the shape cannot be filled
 */
export function randomSequences(count: number, shape: Shape, random: RandomBytes): Knock[][] {
  checkPlan(count, shape);
  const sequences = new Map<string, Knock[]>();
  while (sequences.size < count) {
    const sequence = randomSequence(shape, random);
    sequences.set(formatSequenceLine(sequence), sequence);
  }
  return [...sequences.values()];
}

export interface DerivedSequences {
  readonly sequences: readonly (readonly Knock[])[];
  /** The counter to begin the next file with. */
  readonly next: number;
}

/**
 * `count` different sequences for the counters from `counter` on (SPEC section 4, mode `hotp`). A counter whose sequence
 * came before is passed over, here as on the other side.
 * @throws KnockError CONFIG_INVALID as {@link randomSequences}, or when a counter is above 2^53 - 1
 */
export function derivedSequences(
  count: number,
  shape: Shape,
  key: DerivationKey,
  identity: Omit<Identity, 'mode'>,
  counter: number,
): DerivedSequences {
  checkPlan(count, shape);
  const sequences = new Map<string, readonly Knock[]>();
  let next = counter;
  for (; sequences.size < count; next += 1) {
    const sequence = deriveSequence(key, { ...identity, mode: 'hotp' }, next, shape);
    const line = formatSequenceLine(sequence);
    if (!sequences.has(line)) sequences.set(line, sequence);
  }
  return { sequences: [...sequences.values()], next };
}

/** A whole number from 0 to `below` - 1, each as likely: draws beyond the largest multiple of `below` are thrown away. */
export function randomBelow(below: number, random: RandomBytes): number {
  const limit = Math.floor(0x10000 / below) * below;
  for (;;) {
    const [high = 0, low = 0] = random(2);
    const value = (high << 8) | low;
    if (value < limit) return value % below;
  }
}

function randomSequence({ knocks, ports, protocols }: Shape, random: RandomBytes): Knock[] {
  const taken = new Set<number>();
  while (taken.size < knocks) taken.add(ports[randomBelow(ports.length, random)] ?? 0);
  return [...taken].map((port) => ({ protocol: randomProtocol(protocols, random), port }));
}

function randomProtocol(protocols: Shape['protocols'], random: RandomBytes): Protocol {
  if (protocols !== 'both') return protocols;
  return randomBelow(2, random) === 0 ? 'tcp' : 'udp';
}

function checkPlan(count: number, shape: Shape): void {
  const { knocks, ports } = shape;
  if (!Number.isInteger(knocks) || knocks < MIN_KNOCKS || knocks > MAX_KNOCKS || knocks > ports.length) {
    throw new KnockError('CONFIG_INVALID', `cannot make ${knocks} knocks from ${ports.length} allowed ports`, {
      hint: `${MIN_KNOCKS} to ${MAX_KNOCKS} knocks, and at least as many ports`,
    });
  }
  // Half of all there are: beyond that, what is left could be guessed from what was used.
  if (Math.log2(count) > strengthOf(shape, 1).bits - 1) {
    throw new KnockError('CONFIG_INVALID', `there are not enough sequences of this shape for ${count} lines`, {
      hint: 'more knocks, or more ports',
    });
  }
}
