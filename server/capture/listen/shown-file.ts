/**
 * The file `listening.json` in the state directory: the cohorts that scanners may have seen, and the factors that are past.
 * Without it a restart would draw other decoys for the same sequences, and a scanner would know them by the ports that
 * stayed. The file does not tell live ports from decoys.
 */
import { mkdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KnockError } from '../../../shared/errors.ts';
import { writePrivateFiles } from '../../../shared/files/replace-file.ts';
import { type Cohort, type FactorSpan, NOTHING_SHOWN, type Shown } from './cohorts.ts';

const VERSION = 1;

export class ShownFile {
  readonly #directory: string;
  readonly #path: string;

  constructor(stateDir: string) {
    this.#directory = stateDir;
    this.#path = join(stateDir, 'listening.json');
  }

  /** NOTHING_SHOWN without a file. @throws KnockError STATE_REFUSED when it is damaged, STORE when it cannot be read */
  async load(): Promise<Shown> {
    let text: string;
    try {
      text = await readFile(this.#path, 'utf8');
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return NOTHING_SHOWN;
      throw new KnockError('STORE', `cannot read ${this.#path}`, { cause });
    }
    const shown = parseShown(text);
    if (shown !== undefined) return shown;
    throw new KnockError(
      'STATE_REFUSED',
      `${this.#path} is damaged, so the ports that scanners may have seen are unknown`,
      {
        hint: 'keep the daemon stopped for ten minutes, until all sequences of then have expired, and remove the file',
      },
    );
  }

  /** Resolves when the file is durable. @throws KnockError STORE */
  async save(shown: Shown): Promise<void> {
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    await writePrivateFiles([{ path: this.#path, bytes: Buffer.from(formatShown(shown)) }], true);
  }
}

export function formatShown({ cohorts, past }: Shown): string {
  return `${JSON.stringify({ version: VERSION, cohorts, past: [...past] })}\n`;
}

/** Undefined for anything that {@link formatShown} does not write. */
export function parseShown(text: string): Shown | undefined {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isRecord(data) || data['version'] !== VERSION) return undefined;
  const { cohorts, past } = data;
  if (!Array.isArray(cohorts) || !cohorts.every(isCohort) || !Array.isArray(past) || !past.every(isPastOfDoor)) {
    return undefined;
  }
  return { cohorts, past: new Map(past) };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCohort(value: unknown): value is Cohort {
  if (!isRecord(value)) return false;
  const { door, shape, factor, endsAt, keptUntil, ports } = value;
  return (
    typeof door === 'string' &&
    typeof shape === 'string' &&
    [factor, endsAt, keptUntil].every(isCount) &&
    Array.isArray(ports) &&
    ports.every((port, at) => isCount(port) && port >= 1 && port <= 65_535 && (at === 0 || port > ports[at - 1]))
  );
}

function isPastOfDoor(value: unknown): value is [string, readonly FactorSpan[]] {
  if (!Array.isArray(value) || value.length !== 2 || typeof value[0] !== 'string' || !Array.isArray(value[1])) {
    return false;
  }
  return value[1].every(isSpan);
}

function isSpan(value: unknown): value is FactorSpan {
  if (!Array.isArray(value) || value.length !== 2 || !value.every(isCount)) return false;
  const [from = 0, to = 0] = value;
  return from <= to;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
