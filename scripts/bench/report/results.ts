/**
 * The results of the bench, stored in a file by section: a new measurement of a section replaces the old one, and the
 * report is made from the file. All times are milliseconds unless a name says otherwise.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { ContestantName } from '../run/contestants.ts';
import type { Summary } from './statistics.ts';

export type FloodKind = 'random' | 'live' | 'one-host';

export interface FloodCell {
  readonly contestant: ContestantName;
  readonly kind: FloodKind;
  /** The packets a second that the bench asked for: 0 for none, -1 for as many as this machine can send. */
  readonly rate: number;
  /** The packets a second that the flood sent. */
  readonly sentPerSecond: number;
  readonly knocks: number;
  readonly opened: number;
  /** Time from the first packet to the rule, of the knocks that opened. */
  readonly firstToRule: Summary;
  /** Cores that the daemon used during the flood without knocks: CPU seconds a second. */
  readonly cores: number;
  readonly rssKb: number;
}

export interface OpeningResult {
  readonly contestant: ContestantName;
  readonly knocks: number;
  readonly opened: number;
  readonly lastToRule: Summary;
  readonly firstToConnected: Summary;
}

export interface RestResult {
  /** For example `knock-otpd, 100 clients`. */
  readonly title: string;
  readonly contestant: ContestantName;
  readonly clients: number;
  readonly doors: number;
  /** Length of the measurement in seconds: whole time steps. */
  readonly seconds: number;
  readonly coresPercent: number;
  readonly rssKb: number;
  /** Time until the daemon listened. */
  readonly startMs: number;
}

export interface RotationResult {
  readonly clients: number;
  /** CPU time of the derivations of one time step. */
  readonly totalMs: number;
  /** The longest time for which the event loop was busy. */
  readonly longestTurnMs: number;
}

export interface ClientResult {
  readonly title: string;
  readonly wall: Summary;
}

export interface FlatResult {
  readonly contestant: ContestantName;
  readonly ratePerSecond: number;
  readonly minutes: number;
  /** One value for each `everySeconds`. */
  readonly rssKb: readonly number[];
  readonly everySeconds: number;
}

export interface LossyResult {
  readonly program: 'knock-otp' | 'knock' | 'fwknop';
  readonly lossPercent: number;
  readonly reorderPercent: number;
  readonly duplicatePercent: number;
  readonly runs: number;
  readonly opened: number;
  /** Time from the program's start to its end with an open door, of the runs that opened. */
  readonly wall: Summary;
}

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly kernel: string;
  readonly node: string;
  readonly date: string;
  /** The load of the last minute, when the section began. */
  readonly load: number;
}

export interface Sections {
  readonly flood: readonly FloodCell[];
  readonly opening: readonly OpeningResult[];
  readonly rest: readonly RestResult[];
  readonly rotation: readonly RotationResult[];
  readonly client: readonly ClientResult[];
  readonly flat: readonly FlatResult[];
  readonly lossy: readonly LossyResult[];
}

export type SectionName = keyof Sections;

export interface Results {
  readonly machines: Readonly<Partial<Record<SectionName, Machine>>>;
  readonly sections: Readonly<Partial<Sections>>;
}

export function readResults(path: string): Results {
  if (!existsSync(path)) return { machines: {}, sections: {} };
  return JSON.parse(readFileSync(path, 'utf8')) as Results;
}

/** JSON has no NaN: it becomes null, and null is read as NaN. */
export function writeResults(path: string, results: Results): void {
  const rounded = (_: string, value: unknown) => (typeof value === 'number' ? Number(value.toFixed(3)) : value);
  writeFileSync(path, `${JSON.stringify(results, rounded, 1)}\n`);
}

export function withSection<Name extends SectionName>(
  results: Results,
  name: Name,
  machine: Machine,
  section: Sections[Name],
): Results {
  return {
    machines: { ...results.machines, [name]: machine },
    sections: { ...results.sections, [name]: section },
  };
}
