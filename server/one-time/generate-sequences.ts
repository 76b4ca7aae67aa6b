/**
 * Makes one-time sequences: at random, or derived from a shared secret and a counter, so that both sides make the same
 * file without copying it. Also calculates how hard they are to guess. The caller passes the source of randomness, a
 * cryptographic generator without a seed: sequences that can be made a second time are not secret.
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

/** Below this many bits no file is made without --allow-low-entropy; below 48 there is a warning. */
export const LEAST_BITS = 32;
export const MAX_COUNT = 100_000;

/** Fresh bytes of a cryptographic generator. */
export type RandomBytes = (count: number) => Uint8Array;

export interface Strength {
  /** log2 of the number of sequences of the shape; the order of the knocks counts. */
  readonly bits: number;
  /** log10 of the expected openings a day by 100,000 random packets a second, if the door forgives `strays` strays. */
  readonly log10OpeningsPerDay: number;
  readonly strays: number;
  /** Below 48 bits, or guessable by random packets even if no stray is forgiven. */
  readonly isWeak: boolean;
}

/** How hard it is to guess a sequence of the shape while `lookAhead` lines of the file are live. */
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
 * `count` different sequences for the counters from `counter` on (SPEC section 4, mode `hotp`). A counter whose
 * sequence repeats an earlier one is skipped; the other side skips the same counters.
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

/** A uniform whole number from 0 to `below` - 1: rejects draws above the largest multiple of `below`. */
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
  // At most half of all sequences: with more, the rest could be guessed from the used ones.
  if (Math.log2(count) > strengthOf(shape, 1).bits - 1) {
    throw new KnockError('CONFIG_INVALID', `there are not enough sequences of this shape for ${count} lines`, {
      hint: 'more knocks, or more ports',
    });
  }
}
