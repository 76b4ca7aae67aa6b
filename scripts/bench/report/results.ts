/**
 * What a run of the bench found, as it is kept in a file, section by section: a section that is measured again replaces
 * the old one, and the report is made from the file. Milliseconds unless a name says otherwise.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { ContestantName } from '../run/contestants.ts';
import type { Summary } from './statistics.ts';

export type FloodKind = 'random' | 'live' | 'one-host';

export interface FloodCell {
  readonly contestant: ContestantName;
  readonly kind: FloodKind;
  /** Packets a second that were asked for; 0 for none, -1 for as many as this machine can send. */
  readonly rate: number;
  /** That were sent. */
  readonly sentPerSecond: number;
  readonly knocks: number;
  readonly opened: number;
  /** First packet to rule, of those that opened. */
  readonly firstToRule: Summary;
  /** Cores that the daemon used while the flood went on and nobody knocked: CPU seconds a second. */
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
  /** `knock-otpd, 100 clients`. */
  readonly title: string;
  readonly contestant: ContestantName;
  readonly clients: number;
  readonly doors: number;
  /** Seconds that were watched: whole time steps. */
  readonly seconds: number;
  readonly coresPercent: number;
  readonly rssKb: number;
  /** Until it listened. */
  readonly startMs: number;
}

export interface RotationResult {
  readonly clients: number;
  /** CPU of one time step's derivations. */
  readonly totalMs: number;
  /** The longest that nothing else got its turn. */
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
  /** One for each `everySeconds`. */
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
  /** From the program's start to its end with an open door, of those that opened. */
  readonly wall: Summary;
}

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly kernel: string;
  readonly node: string;
  readonly date: string;
  /** Of the last minute, when the section began. */
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

/** NaN has no JSON: no value is null there, and is read as such. */
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
