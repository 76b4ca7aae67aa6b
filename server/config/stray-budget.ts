/**
 * How many strays a door forgives, from its shape, its window and how many may knock at it; or from the sequences that
 * are written down for it. The formulas are shared/odds' and shared/written-odds'; here they meet a configured door.
 */
import type { Shape } from '../../shared/derive.ts';
import type { Problem } from '../../shared/errors.ts';
import { type Pair, pairOf } from '../../shared/knock.ts';
import {
  ASSUMED_RANDOM_PACKETS_PER_SECOND,
  entropyBits,
  FEW_STRAYS,
  isGuessable,
  log10OpeningsPerDay,
  type OddsInput,
  strayBudget,
} from '../../shared/odds.ts';
import { hasEchoes, isSweepable, writtenOdds, writtenStrayBudget } from '../../shared/written-odds.ts';
import type { DerivedDoor, StaticDoor, WrittenDoor } from './config.ts';

type SizedShape = Pick<Shape, 'knocks' | 'protocols'> & { readonly ports: { readonly length: number } };

export interface StrayBudget {
  /** Sequences that would open the door at one moment, at most. */
  readonly liveSequences: number;
  /** (protocol, port) pairs that a knock may be. */
  readonly pairs: number;
  /** log2 of the number of sequences that the door tells apart. */
  readonly bits: number;
  /** -1 where a listening door must not open to anybody: its clients have become too many for its crowd. */
  readonly maxStrays: number;
  /** Openings a day that random packets may expect, with `maxStrays`; -Infinity when nobody may knock. */
  readonly log10OpeningsPerDay: number;
  /** The same where a knock is bound to its source, for a sender who sees nothing: he has to guess both parts. */
  readonly blind?: { readonly bits: number; readonly log10OpeningsPerDay: number };
  readonly warnings: readonly Problem[];
}

/** Not a constant: the language tables behind it would be loaded by every command that reads a configuration. */
function guessable(): string {
  const rate = ASSUMED_RANDOM_PACKETS_PER_SECOND.toLocaleString('en-US');
  return `${rate} random packets a second may open this door, even with no strays forgiven`;
}

/** `clients`: how many are enrolled at the door. */
export function doorBudget(door: DerivedDoor, clients: number): StrayBudget {
  const { shape, order } = door.policy;
  const odds = doorOdds(door, clients);
  const { pairs, liveSequences } = odds;
  const listens = door.listenPorts !== undefined;
  const affordable = listens && isGuessable(odds) ? -1 : strayBudget(odds);
  const maxStrays = Math.min(affordable, door.maxStraysLimit ?? affordable);
  const warnings: Problem[] = [];
  const warn = (message: string, hint: string): void => {
    warnings.push({ section: door.name, message, hint });
  };
  if (clients === 0) {
    warn('nobody is enrolled at this door', `knock-otpd enroll NAME --door ${door.name}`);
  } else if (isGuessable(odds)) {
    warn(guessable(), 'more knocks');
  } else if (maxStrays < FEW_STRAYS && !(listens && shape.protocols === 'tcp')) {
    // A connection has a sender who answers: nobody forges strays where knocks are connections.
    const limited = maxStrays < affordable;
    warn(
      `only ${maxStrays} strays are forgiven: a few packets with a forged source keep its owner from knocking`,
      limited ? `raise max_strays, up to ${affordable}` : 'more knocks, or a smaller window or look_ahead',
    );
  }
  return {
    liveSequences,
    pairs,
    bits: odds.bits ?? shapeBits(shape, order),
    maxStrays,
    log10OpeningsPerDay: log10OpeningsPerDay(odds, maxStrays),
    ...(door.policy.bindsSource === true ? { blind: blindOdds(door, liveSequences, maxStrays) } : {}),
    warnings,
  };
}

/** What random packets meet at a door, or, where it listens, packets of a sender who knows which ports do. */
export function doorOdds(door: DerivedDoor, clients: number): OddsInput {
  const { shape, order } = door.policy;
  const common = {
    knocks: shape.knocks,
    liveSequences: liveSequencesOf(door, clients),
    anyOrder: order === 'any',
  };
  if (door.listenPorts === undefined) return { ...common, pairs: pairsOf(shape) };
  return { ...common, pairs: pairsOf({ ...shape, ports: { length: door.listenPorts } }), bits: listeningBits(door) };
}

/** log2 of the sequences that a door can hide among its listening ports, whose life is one time step's. */
export function listeningBits({ policy: { shape, order }, listenPorts = 0 }: DerivedDoor): number {
  return shapeBits({ ...shape, ports: { length: listenPorts } }, order);
}

/**
 * A racer has the first part of a bound knock for nothing, so that the budget, and all that is promised, is about the
 * second part alone. This is what is left to who has neither.
 */
function blindOdds({ policy: { shape, order } }: DerivedDoor, liveSequences: number, maxStrays: number) {
  const knocks = 2 * shape.knocks;
  const odds = { knocks, pairs: pairsOf(shape), liveSequences, anyOrder: order === 'any' };
  const bits = entropyBits({ ...odds, pairs: shape.ports.length }) + (shape.protocols === 'both' ? knocks : 0);
  return { bits, log10OpeningsPerDay: log10OpeningsPerDay(odds, maxStrays) };
}

/** `sequence`: a static door's, or the weakest line of a file. Such doors are the administrator's: nothing is refused. */
export function writtenBudget(door: WrittenDoor, sequence: readonly Pair[]): StrayBudget {
  const liveSequences = door.policy.lookAhead;
  const odds = writtenOdds(sequence, liveSequences);
  const affordable = writtenStrayBudget(sequence, liveSequences);
  const maxStrays = Math.min(affordable, door.maxStraysLimit ?? affordable);
  const warnings: Problem[] = [];
  const warn = (message: string, hint: string): void => {
    warnings.push({ section: door.name, message, hint });
  };
  if (isSweepable(sequence))
    warn('a scan of ports in order opens this door', 'ports that are further apart, up and down');
  else if (isGuessable(odds)) warn(guessable(), 'more knocks');
  else if (maxStrays < FEW_STRAYS) {
    warn(`only ${maxStrays} strays are forgiven: other packets of its owner get in the way of a knock`, 'more knocks');
  }
  if (hasEchoes(sequence)) {
    warn('a port stands twice in a row: one packet that is sent again is two knocks', 'another port in between');
  }
  return {
    liveSequences,
    pairs: odds.pairs,
    bits: entropyBits(odds),
    maxStrays,
    log10OpeningsPerDay: log10OpeningsPerDay(odds, maxStrays),
    warnings,
  };
}

/** Up to a power of two: a client more or less seldom changes the budget, and so seldom voids a knock. */
export function roundedClients(clients: number): number {
  return clients === 0 ? 1 : 2 ** Math.ceil(Math.log2(clients));
}

export function staticPairs({ sequence }: StaticDoor): readonly Pair[] {
  return sequence.map(({ protocol, port }) => pairOf(protocol, port));
}

/** log2 of the number of sequences of a shape. */
export function shapeBits({ knocks, ports, protocols }: SizedShape, order: 'any' | 'strict'): number {
  // Ports are distinct whatever their protocol, so `both` adds one bit a knock rather than doubling the ports.
  const bits = entropyBits({ knocks, pairs: ports.length, anyOrder: order === 'any' });
  return protocols === 'both' ? bits + knocks : bits;
}

function pairsOf({ ports, protocols }: Omit<SizedShape, 'knocks'>): number {
  return protocols === 'both' ? 2 * ports.length : ports.length;
}

function liveSequencesOf({ policy }: DerivedDoor, clients: number): number {
  if (policy.mode === 'hotp') return (policy.lookAhead + 1) * clients;
  // A step that left the window lives on for one seq_timeout, so that a knock across the edge works.
  const lingering = Math.ceil(policy.seqTimeoutMs / (policy.stepSeconds * 1000));
  return (2 * policy.window + 1 + lingering) * clients;
}
