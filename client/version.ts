/** The version in package.json, which lies one folder up in the sources and two in the build. */
import { readFileSync } from 'node:fs';

export function version(): string {
  for (const path of ['../package.json', '../../package.json']) {
    try {
      const found: unknown = JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'));
      return String((found as { readonly version?: unknown }).version);
    } catch {
      // Not there: the other place is tried.
    }
  }
  return 'unknown';
}
