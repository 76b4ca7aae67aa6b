/** The result of knocking at a door, as a line or as JSON. */
import type { KnockError } from '../../shared/errors.ts';
import type { StoredProfile } from '../profiles/profile-store.ts';
import type { DoorResult } from './door-result.ts';
import type { Opening } from './knock-request.ts';

export function openingText(
  { name, profile }: StoredProfile,
  verifyPort: number | undefined,
  opening: Opening,
): string {
  const { address } = opening.address;
  if (verifyPort === undefined) return `sent to ${name} (${address}), door ${profile.door}, not verified`;
  const state = opening.factor === undefined ? 'already open' : 'open';
  return `${state}: ${name} (${address}), door ${profile.door}, tcp/${verifyPort}`;
}

export function doorResultJson({ stored: { name, profile }, verifyPort, openings, errors }: DoorResult): unknown {
  return {
    name,
    door: profile.door,
    ok: errors.length === 0,
    verified: verifyPort !== undefined,
    ...(verifyPort === undefined ? {} : { service: `tcp/${verifyPort}` }),
    openings: openings.map(({ address, factor, elapsedMs }) => ({
      address: address.address,
      family: address.family,
      // Null when the door was already open and nothing was spent.
      factor: factor ?? null,
      elapsedMs: Math.round(elapsedMs),
    })),
    errors: errors.map(errorJson),
  };
}

/** `findings`: what the checks found about a door that stayed closed; `check` is a stable name. */
export function errorJson({ code, message, hint, problems }: KnockError): unknown {
  return {
    code,
    message,
    ...(problems.length === 0
      ? {}
      : { findings: problems.map((each) => ({ check: each.key, message: each.message })) }),
    ...(hint === undefined ? {} : { hint }),
  };
}
