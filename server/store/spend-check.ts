/**
 * What every store refuses to write, whatever it keeps things in: values that would read back as something else, and
 * a factor that is spent.
 */
import { KnockError } from '../../shared/errors.ts';
import type { FactorState } from '../core/door.ts';
import type { FactorOwner, JournaledGrant } from './store.ts';

/** @throws KnockError STORE when a number is none that can be kept exactly */
export function checkSpend(factor: FactorState, grant: Omit<JournaledGrant, 'confirmed'> | undefined): void {
  [factor.spent, ...(factor.lastUse === undefined ? [] : [factor.lastUse])].forEach(checkWhole);
  if (grant !== undefined) checkGrant(grant);
  if (!Number.isFinite(factor.drift)) throw unkeepable(factor.drift);
}

/** @throws KnockError STORE when a time is none that can be kept exactly */
export function checkGrant(grant: Omit<JournaledGrant, 'confirmed'>): void {
  [grant.openedAt, grant.expiresAt].forEach(checkWhole);
}

/** @throws KnockError STORE unless it is an integer from 0 to 2^53 - 1 */
export function checkWhole(value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) throw unkeepable(value);
}

/** The factor is not above the highest one spent: a second use. */
export function factorUsed(owner: FactorOwner): KnockError {
  return new KnockError('FACTOR_USED', `a factor of client "${owner.client}" at door "${owner.door}" is spent already`);
}

function unkeepable(value: number): KnockError {
  return new KnockError('STORE', `the number ${value} cannot be stored`);
}
