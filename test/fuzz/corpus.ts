/**
 * Reads and writes the stored inputs: one line each in corpus/TARGET, as a JSON string with one character a byte for
 * readable text, otherwise in hexadecimal.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export function readCorpus(name: string): Uint8Array[] {
  const file = here(`corpus/${name}`);
  if (!existsSync(file)) return [];
  return readFileSync(file, 'latin1').split('\n').filter(Boolean).map(fromLine);
}

/** The shortest input first. */
export function writeCorpus(name: string, inputs: readonly Uint8Array[]): void {
  const lines = inputs.toSorted((a, b) => a.length - b.length).map(toLine);
  writeFileSync(here(`corpus/${name}`), `${[...new Set(lines)].join('\n')}\n`);
}

/** Returns the path of the stored input. */
export function saveFailure(name: string, input: Uint8Array): string {
  const digest = createHash('sha256').update(input).digest('hex').slice(0, 12);
  const file = here(`failures/${name}-${digest}`);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, input);
  return file;
}

export function toLine(input: Uint8Array): string {
  const text = Buffer.from(input).toString('latin1');
  return /^[\t\n\r\x20-\x7e]*$/.test(text) ? JSON.stringify(text) : Buffer.from(input).toString('hex');
}

function fromLine(line: string): Uint8Array {
  return new Uint8Array(
    line.startsWith('"') ? Buffer.from(JSON.parse(line) as string, 'latin1') : Buffer.from(line, 'hex'),
  );
}
