/** `knock-otp doctor HOST`: checks everything that a knock needs, without spending a factor. */
import { KnockError } from '../../shared/errors.ts';
import type { Deps } from '../deps.ts';
import { clockFindings } from '../doctor/clock-check.ts';
import { counterFinding } from '../doctor/counter-check.ts';
import { type Finding, findingLines } from '../doctor/finding.ts';
import {
  ANSWER_MS,
  doorFinding,
  echoFinding,
  nameFindings,
  networkFinding,
  portFinding,
  TRIED_PORTS,
} from '../doctor/path-check.ts';
import { profileFindings } from '../doctor/profile-check.ts';
import { type FoundProfile, findProfile } from '../factors/found-profile.ts';
import { doorMemory } from '../factors/last-success.ts';
import { verifyPortOf } from '../knock/verify-port.ts';
import { print } from '../terminal/output.ts';
import { refuseInvalidHost } from '../terminal/typed-words.ts';

export interface DoctorOptions {
  readonly door?: string;
  readonly ntp?: string;
  readonly echo?: string;
  readonly json?: boolean;
}

/** @returns 0 when nothing fails, else 1 @throws KnockError USAGE, PROFILE_MISSING */
export async function runDoctor(host: string, options: DoctorOptions, deps: Deps): Promise<0 | 1> {
  for (const named of [options.ntp, options.echo]) if (named !== undefined) refuseInvalidHost(named);
  const findings: Finding[] = [];
  function report(...more: readonly Finding[]): void {
    findings.push(...more);
    if (options.json !== true) for (const each of more) print(deps, findingLines(each));
  }
  const found = await findUsable(host, options.door, deps);
  if ('level' in found) report(found);
  else await runChecks(found, options, deps, report);
  const isWell = findings.every(({ level }) => level !== 'fail');
  if (options.json === true) print(deps, JSON.stringify({ ok: isWell, findings }, undefined, 2));
  return isWell ? 0 : 1;
}

async function runChecks(
  found: FoundProfile,
  options: DoctorOptions,
  deps: Deps,
  report: (...findings: readonly Finding[]) => void,
): Promise<void> {
  const { profile, name } = found.stored;
  const last = await doorMemory(found.ledger.folder, deps.owner).last();
  report(...(await profileFindings(found, deps)));
  report(...listOf(counterFinding(profile, last, await found.ledger.last())));
  report(...(await clockFindings(profile, last, options.ntp, deps)));
  const { addresses, findings } = await nameFindings(profile.host ?? name, last, deps);
  report(...findings);
  const [address] = addresses;
  report(...listOf(await networkFinding(name, address, last, deps)));
  if (address !== undefined) {
    report(await doorFinding(verifyPortOf(profile, {}), address, deps));
    report(await portFinding(profile, address, TRIED_PORTS, ANSWER_MS, deps));
  }
  if (options.echo !== undefined) report(await echoFinding(options.echo, profile, deps));
}

function listOf(finding: Finding | undefined): readonly Finding[] {
  return finding === undefined ? [] : [finding];
}

/**
 * A profile that exists but cannot be used is a finding; a profile that does not exist is a mistyped name, so an error.
 */
async function findUsable(host: string, door: string | undefined, deps: Deps): Promise<FoundProfile | Finding> {
  try {
    return await findProfile(host, door, deps);
  } catch (error) {
    if (!(error instanceof KnockError) || error.code === 'USAGE' || error.code === 'PROFILE_MISSING') throw error;
    const { message, hint } = error;
    return { check: 'profile', level: 'fail', message, ...(hint === undefined ? {} : { hint }) };
  }
}
