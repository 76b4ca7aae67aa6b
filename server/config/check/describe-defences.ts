/** Reports penalties and scan detection for `knock-otpd check`; empty when they are off. */
import type { ServerConfig } from '../config.ts';

interface PenaltyReported {
  readonly penalty?: number;
}

export interface ScansReported {
  readonly scans?: { readonly threshold: number; readonly neverBan: readonly string[] };
}

/** Without the command, which may contain secrets. */
export function scansReport({ scans }: Pick<ServerConfig, 'scans'>): ScansReported {
  if (scans === undefined) return {};
  return { scans: { threshold: scans.threshold, neverBan: scans.neverBan.map(({ text }) => text) } };
}

export function scansLine({ scans }: ScansReported): [string, string][] {
  if (scans === undefined) return [];
  const never = scans.neverBan.length === 0 ? '' : `, never for ${scans.neverBan.join(', ')}`;
  return [['scans', `scan_command runs for sources that try ${scans.threshold} TCP ports${never}`]];
}

export function penaltyReport({ penaltyMs }: { readonly penaltyMs?: number }): PenaltyReported {
  return penaltyMs === undefined ? {} : { penalty: penaltyMs / 1000 };
}

export function penaltyLine({ penalty }: PenaltyReported): [string, string][] {
  return penalty === undefined ? [] : [['penalty', `${penalty} s after a wrong combination`]];
}
