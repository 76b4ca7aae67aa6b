/**
 * Decides whether a completed sequence may open its door, for one moving factor. The checks come in the order of
 * section 5.3 of docs/SPEC.md. Pure functions; `judge.ts` acts on the decision.
 */
import { timeStepAt } from '../../shared/moving-factor.ts';
import type { DoorPolicy, FactorState } from './door.ts';

/** The largest drift of a client's clock, in steps, learned from its successes (RFC 6238 section 6). */
export const MAX_DRIFT_STEPS = 4;

export type RefusalReason =
  | 'replay' // its factor or a later one is spent
  | 'throttled' // one of too many failures of its source: see throttle.ts
  | 'contested' // two sources know it: see contest.ts
  | 'penalty' // its source is ignored after a wrong combination: see matching/penalty.ts
  | 'outside-window' // its factor is outside the window or the look-ahead
  | 'busy' // too many openings under way or in force at doors without one-time sequences
  | 'clock-back'; // the clock is behind a time that this server has already seen

export type Decision =
  | { readonly accept: true; readonly state: FactorState }
  | { readonly accept: false; readonly reason: RefusalReason };

/** Factors from..to, both included; empty when from > to. */
export interface FactorRange {
  readonly from: number;
  readonly to: number;
}

/** The factors that would open at `wallMs`: RFC 6238 sections 5.2 and 6, RFC 4226 section 7.4. */
export function acceptableFactors(door: DoorPolicy, state: FactorState, wallMs: number): FactorRange {
  const next = state.spent + 1;
  // A counter above 2^53 - 1 is no exact integer, and the derivation rejects it.
  if (door.mode === 'hotp') return { from: next, to: Math.min(next + door.lookAhead, Number.MAX_SAFE_INTEGER) };
  const expected = timeStepAt(wallMs, door.stepSeconds) + state.drift;
  return { from: Math.max(expected - door.window, next, 0), to: expected + door.window };
}

export interface Moment {
  /** Unix milliseconds at the completing packet and at the first packet of its run. */
  readonly completedWallMs: number;
  readonly startedWallMs: number;
  /** False while the clock is behind its high-water mark. */
  readonly clockTrusted: boolean;
}

/**
 * Accepts a factor that was acceptable at the run's first packet or at its last. So a knock that crosses the edge of a
 * step works, and the grace is never longer than seq_timeout. An accepted factor spends every factor up to it.
 */
export function decideFactor(door: DoorPolicy, state: FactorState, factor: number, moment: Moment): Decision {
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
 * Learns drift only from a client that was free to choose its step. A client that has just spent a step must use a
 * later one than its clock says, which would look like a fast clock.
 */
function learnedDrift(door: DoorPolicy, state: FactorState, factor: number, wallMs: number): number {
  const wasFree = factor - state.spent > 2 * door.window + 1;
  if (!wasFree) return state.drift;
  const offset = factor - timeStepAt(wallMs, door.stepSeconds);
  return Math.max(-MAX_DRIFT_STEPS, Math.min(MAX_DRIFT_STEPS, offset));
}
