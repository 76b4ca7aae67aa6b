/**
 * Decides which ports listen, and for how long. Pure: the caller draws random numbers, saves what was shown, and binds.
 *
 * A scanner sees which ports listen and, from scan to scan, which appeared and disappeared together. So ports change in
 * **cohorts**. A cohort is all sequences of a door that become live for one time step at once, plus as many decoys as fill
 * it up to `size` ports. It is bound as a whole, listens for as long as its time step requires, used or not, and is closed
 * as a whole. Derived ports and decoys are drawn from the same list with the same odds, so each sequence is equally likely
 * to be any n ports of its cohort. Two rules keep that true:
 *
 *  - **A sequence is shown in one cohort.** If it were in two, their common ports would name it. A sequence that is live
 *    again (a restart, a client that returns) joins the cohort with all its ports. A sequence shown in an expired cohort,
 *    or under another shape of the door, is not shown again.
 *  - **Decoys do not depend on what can be bound.** A port that cannot be bound is missing, live or not.
 */

import { knockOf } from '../../../shared/knock.ts';
import type { LiveSequence } from '../../core/matching/live-sequence.ts';
import { MAX_DRIFT_STEPS } from '../../core/policy.ts';

export interface ListenedDoor {
  readonly name: string;
  /** All ports that a knock may use. */
  readonly ports: readonly number[];
  readonly protocols: 'tcp' | 'udp' | 'both';
  /** Number of ports of a cohort. */
  readonly size: number;
  readonly stepMs: number;
  /** Look-ahead and look-behind window, in time steps. */
  readonly window: number;
  readonly seqTimeoutMs: number;
  /** All settings, besides secrets, that sequences are derived from. Another shape gives a factor another sequence. */
  readonly shape: string;
}

export interface Cohort {
  readonly door: string;
  readonly shape: string;
  readonly factor: number;
  /** Unix milliseconds until which it listens even if none of its sequences is live. */
  readonly endsAt: number;
  /** Unix milliseconds until which one of its sequences may become live again. */
  readonly keptUntil: number;
  /** Ascending. They are bound in this order, which must not depend on which ports are live. */
  readonly ports: readonly number[];
}

/** A range of factors, both ends included. */
export type FactorSpan = readonly [from: number, to: number];

/** The cohorts that scanners may have seen. */
export interface Shown {
  readonly cohorts: readonly Cohort[];
  /** By door: factors whose sequences must not be shown again, ascending. */
  readonly past: ReadonlyMap<string, readonly FactorSpan[]>;
}

export interface ListenPlan {
  readonly shown: Shown;
  /** Whether `shown` changed. Then it must be saved before its ports are bound. */
  readonly changed: boolean;
  /** Ascending. */
  readonly tcp: readonly number[];
  readonly udp: readonly number[];
}

export const NOTHING_SHOWN: Shown = { cohorts: [], past: new Map() };
/** Maximum of spans of one door. Beyond it the oldest spans are merged, so fewer sequences are shown, never more. */
const MAX_SPANS = 32;

/** @param draw a uniform random integer from 0 up to, but not including, its argument */
export function planListening(
  shown: Shown,
  doors: readonly ListenedDoor[],
  live: Iterable<LiveSequence>,
  wallMs: number,
  draw: (below: number) => number,
): ListenPlan {
  const cohorts = new Map<string, Member[]>();
  const past = new Map(shown.past);
  let changed = false;
  const doorOf = new Map(doors.map((door) => [door.name, door]));
  for (const cohort of shown.cohorts) {
    const door = doorOf.get(cohort.door);
    if (door !== undefined && door.shape !== cohort.shape) {
      past.set(cohort.door, withFactor(past.get(cohort.door) ?? [], cohort.factor));
      changed = true;
    } else add(cohorts, { cohort, ports: new Set(cohort.ports), isLive: false });
  }
  const newcomers = new Map<
    string,
    { readonly door: ListenedDoor; readonly factor: number; readonly ports: Set<number> }
  >();
  for (const { door: name, factor, pairs } of live) {
    const door = doorOf.get(name);
    if (door === undefined) continue;
    const ports = pairs.map((pair) => knockOf(pair).port);
    const key = keyOf(name, factor);
    const home = cohorts.get(key)?.find((member) => ports.every((port) => member.ports.has(port)));
    if (home !== undefined) home.isLive = true;
    else if (!isPast(past.get(name), factor)) {
      const newcomer = newcomers.get(key) ?? { door, factor, ports: new Set() };
      for (const port of ports) newcomer.ports.add(port);
      newcomers.set(key, newcomer);
    }
  }
  for (const { door, factor, ports } of newcomers.values()) {
    addDecoys(ports, door, draw);
    const endsAt = (factor + door.window + 1) * door.stepMs + door.seqTimeoutMs;
    const cohort = {
      door: door.name,
      shape: door.shape,
      factor,
      endsAt,
      keptUntil: endsAt + MAX_DRIFT_STEPS * door.stepMs,
      ports: [...ports].sort((a, b) => a - b),
    };
    add(cohorts, { cohort, ports, isLive: true });
    changed = true;
  }
  const remaining: Cohort[] = [];
  const tcp = new Set<number>();
  const udp = new Set<number>();
  for (const { cohort, isLive } of [...cohorts.values()].flat()) {
    if (!isLive && cohort.keptUntil <= wallMs) {
      past.set(cohort.door, withFactor(past.get(cohort.door) ?? [], cohort.factor));
      changed = true;
      continue;
    }
    remaining.push(cohort);
    const protocols = doorOf.get(cohort.door)?.protocols;
    if (protocols === undefined || (!isLive && cohort.endsAt <= wallMs)) continue;
    // With both protocols each port listens on both: a single protocol would reveal the kind of knock.
    if (protocols !== 'udp') for (const port of cohort.ports) tcp.add(port);
    if (protocols !== 'tcp') for (const port of cohort.ports) udp.add(port);
  }
  return { shown: { cohorts: remaining, past }, changed, tcp: ascending(tcp), udp: ascending(udp) };
}

interface Member {
  readonly cohort: Cohort;
  readonly ports: ReadonlySet<number>;
  isLive: boolean;
}

function add(cohorts: Map<string, Member[]>, member: Member): void {
  const key = keyOf(member.cohort.door, member.cohort.factor);
  const others = cohorts.get(key);
  if (others === undefined) cohorts.set(key, [member]);
  else others.push(member);
}

/** Joined by a NUL, which no name contains. */
function keyOf(door: string, factor: number): string {
  return `${door}\0${factor}`;
}

function addDecoys(ports: Set<number>, door: ListenedDoor, draw: (below: number) => number): void {
  const size = Math.min(door.size, door.ports.length);
  while (ports.size < size) {
    const port = door.ports[draw(door.ports.length)];
    if (port !== undefined) ports.add(port);
  }
}

function isPast(spans: readonly FactorSpan[] = [], factor: number): boolean {
  return spans.some(([from, to]) => factor >= from && factor <= to);
}

function withFactor(spans: readonly FactorSpan[], factor: number): readonly FactorSpan[] {
  const merged: [number, number][] = [];
  for (const [from, to] of [...spans, [factor, factor] as const].sort(([a], [b]) => a - b)) {
    const last = merged.at(-1);
    if (last !== undefined && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else merged.push([from, to]);
  }
  while (merged.length > MAX_SPANS) {
    const [first, second] = merged.splice(0, 2);
    if (first !== undefined && second !== undefined) merged.unshift([first[0], second[1]]);
  }
  return merged;
}

function ascending(ports: ReadonlySet<number>): readonly number[] {
  return [...ports].sort((a, b) => a - b);
}
