/**
 * The version of both programs. The build writes it into their single files. Otherwise it is read from package.json,
 * two folders above the sources and three above the compiled files.
 */
import { readFileSync } from 'node:fs';

declare const KNOCK_OTP_VERSION: string | undefined;

export function version(): string {
  if (typeof KNOCK_OTP_VERSION === 'string') return KNOCK_OTP_VERSION;
  for (const path of ['../../package.json', '../../../package.json']) {
    try {
      const found: unknown = JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'));
      return String((found as { readonly version?: unknown }).version);
    } catch {
      // Not found: tries the other path.
    }
  }
  return 'unknown';
}
