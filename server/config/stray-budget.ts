/**
 * Computes how many strays a configured door forgives: from its shape, its live sequences and its number of clients, or
 * from its written-down sequences. The formulas are in shared/odds and shared/written-odds.
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
  /** The most sequences that are live at one time. */
  readonly liveSequences: number;
  /** Possible (protocol, port) pairs of a knock. */
  readonly pairs: number;
  /** log2 of the number of distinguishable sequences. */
  readonly bits: number;
  /** -1 when a listening door must stay shut, because it has too many clients for its listening ports. */
  readonly maxStrays: number;
  /** log10 of the expected openings a day from random packets, with `maxStrays`; -Infinity without clients. */
  readonly log10OpeningsPerDay: number;
  /** With `bind = source`: the figures for an attacker who sees no knock and has to guess both parts. */
  readonly blind?: { readonly bits: number; readonly log10OpeningsPerDay: number };
  readonly warnings: readonly Problem[];
}

/** A function, because toLocaleString loads language tables, which most commands do not need. */
function guessable(): string {
  const rate = ASSUMED_RANDOM_PACKETS_PER_SECOND.toLocaleString('en-US');
  return `${rate} random packets a second may open this door, even with no strays forgiven`;
}

/** The budget of a derived door with `clients` enrolled clients. */
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
    warn('no client is enrolled at this door', `knock-otpd enroll NAME --door ${door.name}`);
  } else if (isGuessable(odds)) {
    warn(guessable(), 'more knocks');
  } else if (maxStrays < FEW_STRAYS && !(listens && shape.protocols === 'tcp')) {
    // Not where knocks are TCP connections: a connection cannot come from a forged source address.
    const limited = maxStrays < affordable;
    warn(
      `only ${maxStrays} strays are forgiven: a few packets with a forged source address can spoil a knock`,
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

/** The odds for random packets; at a listening door, for packets of an attacker who knows the listening ports. */
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

/** log2 of the number of sequences on the listening ports of one time step. */
export function listeningBits({ policy: { shape, order }, listenPorts = 0 }: DerivedDoor): number {
  return shapeBits({ ...shape, ports: { length: listenPorts } }, order);
}

/**
 * The odds for an attacker who knows neither part of a bound knock. All other figures count only the second part, because
 * a racer can copy the first.
 */
function blindOdds({ policy: { shape, order } }: DerivedDoor, liveSequences: number, maxStrays: number) {
  const knocks = 2 * shape.knocks;
  const odds = { knocks, pairs: pairsOf(shape), liveSequences, anyOrder: order === 'any' };
  const bits = entropyBits({ ...odds, pairs: shape.ports.length }) + (shape.protocols === 'both' ? knocks : 0);
  return { bits, log10OpeningsPerDay: log10OpeningsPerDay(odds, maxStrays) };
}

/** `sequence`: a static door's, or the weakest line of a file. Only warns, because the administrator chose the sequence. */
export function writtenBudget(door: WrittenDoor, sequence: readonly Pair[]): StrayBudget {
  const liveSequences = door.policy.lookAhead;
  const odds = writtenOdds(sequence, liveSequences);
  const affordable = writtenStrayBudget(sequence, liveSequences);
  const maxStrays = Math.min(affordable, door.maxStraysLimit ?? affordable);
  const warnings: Problem[] = [];
  const warn = (message: string, hint: string): void => {
    warnings.push({ section: door.name, message, hint });
  };
  if (isSweepable(sequence)) warn('a scan of ports in order opens this door', 'ports further apart, up and down');
  else if (isGuessable(odds)) warn(guessable(), 'more knocks');
  else if (maxStrays < FEW_STRAYS) {
    warn(`only ${maxStrays} strays are forgiven: other packets of the same source can spoil a knock`, 'more knocks');
  }
  if (hasEchoes(sequence)) {
    warn('a port is listed twice in a row: a retransmitted packet counts as two knocks', 'put a port between');
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

/** Rounds up to a power of two, so that one client more or less seldom changes the budget and voids a knock. */
export function roundedClients(clients: number): number {
  return clients === 0 ? 1 : 2 ** Math.ceil(Math.log2(clients));
}

export function staticPairs({ sequence }: StaticDoor): readonly Pair[] {
  return sequence.map(({ protocol, port }) => pairOf(protocol, port));
}

/** log2 of the number of sequences of a shape. */
export function shapeBits({ knocks, ports, protocols }: SizedShape, order: 'any' | 'strict'): number {
  // The ports of a sequence are distinct, whatever the protocols. So `both` adds one bit per knock.
  const bits = entropyBits({ knocks, pairs: ports.length, anyOrder: order === 'any' });
  return protocols === 'both' ? bits + knocks : bits;
}

function pairsOf({ ports, protocols }: Omit<SizedShape, 'knocks'>): number {
  return protocols === 'both' ? 2 * ports.length : ports.length;
}

function liveSequencesOf({ policy }: DerivedDoor, clients: number): number {
  if (policy.mode === 'hotp') return (policy.lookAhead + 1) * clients;
  // A step that left the window stays live for one seq_timeout, so that a knock across the edge opens.
  const lingering = Math.ceil(policy.seqTimeoutMs / (policy.stepSeconds * 1000));
  return (2 * policy.window + 1 + lingering) * clients;
}
