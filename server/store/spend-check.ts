/** Checks that every store makes before a write: numbers that cannot be stored exactly, and factors already spent. */
import { KnockError } from '../../shared/errors.ts';
import type { FactorState } from '../core/door.ts';
import type { FactorOwner, JournaledGrant } from './store.ts';

/** @throws KnockError STORE when a number cannot be stored exactly */
export function checkSpend(factor: FactorState, grant: Omit<JournaledGrant, 'confirmed'> | undefined): void {
  [factor.spent, ...(factor.lastUse === undefined ? [] : [factor.lastUse])].forEach(checkWhole);
  if (grant !== undefined) checkGrant(grant);
  if (!Number.isFinite(factor.drift)) throw unstorable(factor.drift);
}

/** @throws KnockError STORE when a time cannot be stored exactly */
export function checkGrant(grant: Omit<JournaledGrant, 'confirmed'>): void {
  [grant.openedAt, grant.expiresAt].forEach(checkWhole);
}

/** @throws KnockError STORE unless it is an integer from 0 to 2^53 - 1 */
export function checkWhole(value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) throw unstorable(value);
}

/** The error for a second use: the factor is not above the highest one spent. */
export function factorUsed(owner: FactorOwner): KnockError {
  return new KnockError('FACTOR_USED', `a factor of client "${owner.client}" at door "${owner.door}" is spent already`);
}

function unstorable(value: number): KnockError {
  return new KnockError('STORE', `the number ${value} cannot be stored`);
}
