/**
 * The version. The build writes it into the single file, which has nothing beside it; elsewhere it is in package.json,
 * one folder up in the sources and two in the build.
 */
import { readFileSync } from 'node:fs';

declare const KNOCK_OTP_VERSION: string | undefined;

export function version(): string {
  if (typeof KNOCK_OTP_VERSION === 'string') return KNOCK_OTP_VERSION;
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
