/** Waits for a log file: the daemon writes it in the background, a moment after the same line on standard error. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { pause } from '../faults/kill-plan.ts';

const PATIENCE_MS = 10_000;

/** Resolves with the text of the file when the text matches. */
export async function fileSays(path: string, pattern: RegExp): Promise<string> {
  const until = Date.now() + PATIENCE_MS;
  for (;;) {
    const text = await readFile(path, 'utf8');
    if (pattern.test(text)) return text;
    if (Date.now() > until) assert.match(text, pattern, path);
    await pause(20);
  }
}
