/**
 * Policy: may this completed sequence open its door? Pure decisions about one moving factor; the order of the checks is
 * the order of section 5.3 of docs/SPEC.md. What a decision leads to is the engine's business.
 */
import { timeStepAt } from '../../shared/moving-factor.ts';
import type { DoorPolicy, FactorState } from './door.ts';

/** Steps that a client's clock may be off in all, as learned from its successes (RFC 6238 section 6). */
export const MAX_DRIFT_STEPS = 4;

export type RefusalReason =
  | 'replay' // its factor, or a later one, is spent
  | 'throttled' // a repeat, of which its source has sent too many: see throttle
  | 'contested' // two sources know it: see contest
  | 'penalty' // its source is ignored for a wrong combination: see penalty
  | 'outside-window' // its factor is not acceptable at this time, or too far ahead
  | 'busy' // too many openings of doors without one-time sequences are under way or in force
  | 'clock-back'; // the clock stands before a time this server has already seen

export type Decision =
  | { readonly accept: true; readonly state: FactorState }
  | { readonly accept: false; readonly reason: RefusalReason };

/** Factors from..to, both included; empty when from > to. */
export interface FactorRange {
  readonly from: number;
  readonly to: number;
}

/** The factors that would open at `wallMs`: RFC 6238 section 5.2 and 6, RFC 4226 section 7.4. */
export function acceptableFactors(door: DoorPolicy, state: FactorState, wallMs: number): FactorRange {
  const next = state.spent + 1;
  // Beyond 2^53 - 1 a counter is no integer any more, and no derivation takes it.
  if (door.mode === 'hotp') return { from: next, to: Math.min(next + door.lookAhead, Number.MAX_SAFE_INTEGER) };
  const expected = timeStepAt(wallMs, door.stepSeconds) + state.drift;
  return { from: Math.max(expected - door.window, next, 0), to: expected + door.window };
}

export interface Moment {
  /** Unix milliseconds at the completing packet and at the first packet of its run. */
  readonly completedWallMs: number;
  readonly startedWallMs: number;
  /** False while the clock stands before the latest time that is known to have been. */
  readonly clockTrusted: boolean;
}

/**
 * A factor is accepted when it was acceptable at the run's last packet or at its first: a knock that crosses a step's
 * edge works, and the grace is never longer than seq_timeout. Accepting spends every factor up to it.
 */
export function decide(door: DoorPolicy, state: FactorState, factor: number, moment: Moment): Decision {
  if (factor <= state.spent) return { accept: false, reason: 'replay' };
  if (door.mode === 'totp' && !moment.clockTrusted) return { accept: false, reason: 'clock-back' };
  const moments = [moment.completedWallMs, moment.startedWallMs];
  const inside = moments.some((wallMs) => {
    const { from, to } = acceptableFactors(door, state, wallMs);
    return from <= factor && factor <= to;
  });
  if (!inside) return { accept: false, reason: 'outside-window' };
  const drift = door.mode === 'totp' ? learnedDrift(door, state, factor, moment.startedWallMs) : 0;
  return { accept: true, state: { spent: factor, drift, lastUse: moment.completedWallMs } };
}

/**
 * Drift is believed only from a client that was free to choose its step: one that has just spent a step must take a
 * later one than its clock says, and that would look like a fast clock.
 */
function learnedDrift(door: DoorPolicy, state: FactorState, factor: number, wallMs: number): number {
  const wasFree = factor - state.spent > 2 * door.window + 1;
  if (!wasFree) return state.drift;
  const offset = factor - timeStepAt(wallMs, door.stepSeconds);
  return Math.max(-MAX_DRIFT_STEPS, Math.min(MAX_DRIFT_STEPS, offset));
}
