/**
 * Finds the keys of one section by the schema's table, reports unknown and repeated keys, and gives each problem and
 * warning its place: section, key, line. `section-reader.ts` reads the values.
 */
import type { Problem } from '../../../shared/errors.ts';
import type { IniEntry, IniSection } from '../../../shared/formats/ini-document.ts';
import type { Findings } from '../findings.ts';
import { nearMiss } from '../near-miss.ts';
import { findKey, type KeySpec, type Table } from './schema.ts';

/**
 * Whether a message may quote an unknown key. Such a line may be a pasted secret, which has at least 26 letters; the
 * longest real key has 18.
 */
export function isQuotable(rawKey: string): boolean {
  return rawKey.length <= 20;
}

export class SectionKeys<T extends Table> {
  readonly #table: T;
  readonly #section: IniSection;
  readonly #findings: Findings;
  protected readonly isWritten: boolean;
  readonly #entries = new Map<string, IniEntry>();

  /** Reports keys that `table` does not have. `written` selects the defaults of doors with written-down sequences. */
  constructor(table: T, section: IniSection, findings: Findings, { written = false } = {}) {
    this.#table = table;
    this.isWritten = written;
    this.#section = section;
    this.#findings = findings;
    for (const entry of section.entries) {
      const key = findKey(table, entry.key);
      if (key === undefined) {
        this.#reportUnknown(entry);
        continue;
      }
      const before = this.#entries.get(key);
      // parseIni has already reported the same spelling; an alias is another spelling.
      if (before !== undefined && before.key !== entry.key) {
        this.problem(
          key,
          `"${before.rawKey}" at line ${before.line} and "${entry.rawKey}" are the same key`,
          undefined,
          entry,
        );
      }
      this.#entries.set(key, entry);
    }
  }

  has(key: keyof T & string): boolean {
    return this.#entries.has(key);
  }

  lineOf(key: keyof T & string): number {
    return this.#entries.get(key)?.line ?? this.#section.line;
  }

  problem(key: keyof T & string, message: string, hint?: string, entry = this.#entries.get(key)): void {
    this.#findings.problem(this.#place(key, message, hint, entry));
  }

  warn(key: keyof T & string, message: string, hint?: string): void {
    this.#findings.warn(this.#place(key, message, hint, this.#entries.get(key)));
  }

  /** Notes the program of this key's command. */
  needsProgram(key: keyof T & string, program: string, runAs?: string): void {
    const { message: _, ...place } = this.#place(key, '', undefined, this.#entries.get(key));
    this.#findings.programs.push({ place, program, ...(runAs === undefined ? {} : { runAs }) });
  }

  protected entry(key: string): IniEntry | undefined {
    return this.#entries.get(key);
  }

  protected spec(key: string): KeySpec {
    return this.#table[key] ?? { type: 'command', doc: '' };
  }

  #reportUnknown(entry: IniEntry): void {
    const { name } = this.#section;
    const key = isQuotable(entry.rawKey) ? entry.rawKey : undefined;
    const knownKeys = Object.entries(this.#table).flatMap(([own, { aliases }]) => [own, ...(aliases ?? [])]);
    const near = nearMiss(entry.key, knownKeys);
    const hint = /^[;/]/.test(entry.key)
      ? 'comments begin with #'
      : near === undefined
        ? `keys of this section: ${Object.keys(this.#table).join(', ')}`
        : `did you mean ${near}?`;
    this.#findings.problem({
      section: shorten(name),
      ...(key === undefined ? {} : { key }),
      line: entry.line,
      message: 'this key is not known',
      hint,
    });
  }

  #place(key: string, message: string, hint: string | undefined, entry: IniEntry | undefined): Problem {
    return {
      section: shorten(this.#section.name),
      key: entry === undefined ? key : entry.rawKey,
      line: entry?.line ?? this.#section.line,
      message,
      ...(hint === undefined ? {} : { hint }),
    };
  }
}

export function shorten(text: string): string {
  return text.length <= 64 ? text : `${text.slice(0, 60)}...`;
}
