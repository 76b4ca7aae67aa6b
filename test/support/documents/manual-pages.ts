/** The manual pages as tests read them: a section of a page, and its parts. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

/** With a slash at its end. */
export const MANUAL = new URL('../../../man/', import.meta.url);

export function read(page: string): string {
  return readFileSync(new URL(page, MANUAL), 'utf8');
}

/** The text below `.Sh TITLE`. */
export function section(text: string, title: string): string {
  const [, ...found] = `\n${text}`.split(`\n.Sh ${title}\n`);
  assert.equal(found.length, 1, `.Sh ${title}`);
  return (found[0] ?? '').split('\n.Sh ')[0] ?? '';
}

/** Title to text of what begins with `macro`, in order. */
export function parts(text: string, macro: string): ReadonlyMap<string, string> {
  const all = `\n${text}`.split(`\n${macro} `).slice(1);
  return new Map(all.map((part) => [part.split('\n', 1)[0] ?? '', part]));
}
