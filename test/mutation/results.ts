/** Stores the verdict on each mutant of a source between runs, until the source changes. */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Mutation } from './instrument.ts';

/**
 * `endless`: the judge had to kill the worker, as one would have to kill a test. `constant`: reached only while files
 * are loaded, before a test can choose a mutant; does not count.
 */
export type Fate = 'killed' | 'endless' | 'survived' | 'unreached' | 'constant';

export interface Result extends Mutation {
  readonly fate: Fate;
  /** The test that noticed it. */
  readonly killer?: string;
}

interface Kept {
  readonly source: string;
  readonly results: readonly Result[];
  /** The time of the verdicts, in all runs together. */
  readonly seconds: number;
}

const NOTHING: Kept = { source: '', results: [], seconds: 0 };

export function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

export class Results {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Empty when the source has changed. */
  of(file: string, source: string): Omit<Kept, 'source'> {
    try {
      const kept = JSON.parse(readFileSync(this.#pathOf(file), 'utf8')) as Kept;
      return kept.source === source ? kept : NOTHING;
    } catch {
      return NOTHING;
    }
  }

  keep(file: string, kept: Kept): void {
    const path = this.#pathOf(file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(`${path}.new`, JSON.stringify(kept, undefined, 1));
    renameSync(`${path}.new`, path);
  }

  #pathOf(file: string): string {
    return join(this.#folder, `${file.replaceAll('/', '-')}.json`);
  }
}

export interface Score {
  readonly judged: number;
  readonly noticed: number;
  readonly survived: number;
  readonly percent: number;
}

export function scoreOf(results: readonly Result[]): Score {
  const count = (...fates: Fate[]) => results.filter(({ fate }) => fates.includes(fate)).length;
  const [noticed, survived] = [count('killed', 'endless'), count('survived', 'unreached')];
  const judged = noticed + survived;
  return { judged, noticed, survived, percent: judged === 0 ? 100 : (100 * noticed) / judged };
}
