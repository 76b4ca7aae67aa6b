/** What `knock-otpd check` says of penalties and of scans: nothing where they are off. */
import type { ServerConfig } from '../config.ts';

interface Penal {
  readonly penalty?: number;
}

export interface ScansReported {
  readonly scans?: { readonly threshold: number; readonly neverBan: readonly string[] };
}

/** The command may hold what is not for every eye. */
export function scansReport({ scans }: Pick<ServerConfig, 'scans'>): ScansReported {
  if (scans === undefined) return {};
  return { scans: { threshold: scans.threshold, neverBan: scans.neverBan.map(({ text }) => text) } };
}

export function scansLine({ scans }: ScansReported): [string, string][] {
  if (scans === undefined) return [];
  const never = scans.neverBan.length === 0 ? '' : `, but never ${scans.neverBan.join(', ')}`;
  return [['scans', `a command is told who tries ${scans.threshold} TCP ports${never}`]];
}

export function penaltyReport({ penaltyMs }: { readonly penaltyMs?: number }): Penal {
  return penaltyMs === undefined ? {} : { penalty: penaltyMs / 1000 };
}

export function penaltyLine({ penalty }: Penal): [string, string][] {
  return penalty === undefined ? [] : [['penalty', `a wrong combination is ignored for ${penalty} s`]];
}
