/**
 * Which ports listen, and for how long. Pure: what is live and what has been shown before go in, what shall listen comes
 * out; the caller draws at random, keeps what was shown, and binds.
 *
 * Whoever scans sees which ports listen and, from scan to scan, which came and went together. So ports come and go in
 * **cohorts**: all sequences of a door that become live for one time step in one go, and as many decoys as make it
 * `size` ports. A cohort is bound as a whole, lives as long as its time step asks for whether a sequence of it is used or
 * not, and goes as a whole. Given all cohorts, each sequence is as likely to be any n ports of its cohort as any other:
 * derived ports and decoys are drawn from the same list with the same odds. Two things keep that true:
 *
 *  - **A sequence is shown in one cohort.** In two, the ports that both have would name it. A sequence that is live again
 *    (a restart, a client that came back) joins the cohort that has all its ports; what was shown in a cohort that is
 *    gone, or under another shape of the door, is not shown again.
 *  - **Decoys are never chosen by what can be bound.** A port that cannot be is missing whether it is live or not.
 */

import { knockOf } from '../../../shared/knock.ts';
import type { LiveSequence } from '../../core/matching/live-sequence.ts';
import { MAX_DRIFT_STEPS } from '../../core/policy.ts';

export interface ListenedDoor {
  readonly name: string;
  /** All ports that a knock may go to. */
  readonly ports: readonly number[];
  readonly protocols: 'tcp' | 'udp' | 'both';
  /** Ports of a cohort. */
  readonly size: number;
  readonly stepMs: number;
  /** Steps either way. */
  readonly window: number;
  readonly seqTimeoutMs: number;
  /** Whatever a door's sequences follow from besides secrets: another shape has other sequences for the same factors. */
  readonly shape: string;
}

export interface Cohort {
  readonly door: string;
  readonly shape: string;
  readonly factor: number;
  /** Unix milliseconds: until when it listens though nothing of it is live. */
  readonly endsAt: number;
  /** Unix milliseconds: until when a sequence of it may become live again. */
  readonly keptUntil: number;
  /** Ascending: they are bound in this order, which must not depend on which of them are live. */
  readonly ports: readonly number[];
}

/** From and to, both included. */
export type FactorSpan = readonly [from: number, to: number];

/** What scanners may have seen. */
export interface Shown {
  readonly cohorts: readonly Cohort[];
  /** By door, ascending: factors whose sequences must not be shown any more. */
  readonly past: ReadonlyMap<string, readonly FactorSpan[]>;
}

export interface ListenPlan {
  readonly shown: Shown;
  /** Whether `shown` is another than before, and must be kept before anything of it is bound. */
  readonly changed: boolean;
  /** Ascending. */
  readonly tcp: readonly number[];
  readonly udp: readonly number[];
}

export const NOTHING_SHOWN: Shown = { cohorts: [], past: new Map() };
/** Of one door; the oldest grow together then, which shows less than was meant and never more. */
const MAX_SPANS = 32;

/** @param draw a whole number from 0 to below its argument, each as likely */
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
    } else put(cohorts, { cohort, ports: new Set(cohort.ports), isLive: false });
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
    fill(ports, door, draw);
    const endsAt = (factor + door.window + 1) * door.stepMs + door.seqTimeoutMs;
    const cohort = {
      door: door.name,
      shape: door.shape,
      factor,
      endsAt,
      keptUntil: endsAt + MAX_DRIFT_STEPS * door.stepMs,
      ports: [...ports].sort((a, b) => a - b),
    };
    put(cohorts, { cohort, ports, isLive: true });
    changed = true;
  }
  const kept: Cohort[] = [];
  const tcp = new Set<number>();
  const udp = new Set<number>();
  for (const { cohort, isLive } of [...cohorts.values()].flat()) {
    if (!isLive && cohort.keptUntil <= wallMs) {
      past.set(cohort.door, withFactor(past.get(cohort.door) ?? [], cohort.factor));
      changed = true;
      continue;
    }
    kept.push(cohort);
    const protocols = doorOf.get(cohort.door)?.protocols;
    if (protocols === undefined || (!isLive && cohort.endsAt <= wallMs)) continue;
    // With both protocols each port listens on both: one of them would say what kind of knock it could be.
    if (protocols !== 'udp') for (const port of cohort.ports) tcp.add(port);
    if (protocols !== 'tcp') for (const port of cohort.ports) udp.add(port);
  }
  return { shown: { cohorts: kept, past }, changed, tcp: ascending(tcp), udp: ascending(udp) };
}

interface Member {
  readonly cohort: Cohort;
  readonly ports: ReadonlySet<number>;
  isLive: boolean;
}

function put(cohorts: Map<string, Member[]>, member: Member): void {
  const key = keyOf(member.cohort.door, member.cohort.factor);
  const others = cohorts.get(key);
  if (others === undefined) cohorts.set(key, [member]);
  else others.push(member);
}

/** A NUL stands in no name. */
function keyOf(door: string, factor: number): string {
  return `${door}\0${factor}`;
}

function fill(ports: Set<number>, door: ListenedDoor, draw: (below: number) => number): void {
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
