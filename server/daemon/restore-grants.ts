/**
 * What an earlier run left open: read from the journal before anything else happens. Overdue and unconfirmed grants are
 * closed at once (a crash may have come between the opening and its confirmation); the others go on for what is left.
 */
import { formatAddress } from '../../shared/address.ts';
import type { Clock } from '../clock/clock.ts';
import type { ServerConfig } from '../config/config.ts';
import type { Engine } from '../core/engine.ts';
import { remainingMs } from '../core/grants.ts';
import type { Firewall, Opening } from '../firewall/firewall.ts';
import { formatProblemOf } from '../log/error-text.ts';
import type { Log } from '../log/log.ts';
import type { JournaledGrant, Store } from '../store/store.ts';

export interface RestoreDeps {
  readonly clock: Clock;
  readonly config: ServerConfig;
  readonly firewall: Firewall;
  readonly store: Store;
  readonly log: Log;
}

/**
 * Puts the living grants into the engine and returns them as openings for the firewall; overdue ones become grants that
 * end now, so that the ordinary close, with its retries, is the one that closes them.
 */
export async function restoreGrants(
  journal: readonly JournaledGrant[],
  engine: Engine,
  { clock, config, firewall, store, log }: RestoreDeps,
): Promise<readonly Opening[]> {
  const { wallMs, monoMs } = clock.now();
  const openings: Opening[] = [];
  for (const { door: name, source, client, openedAt, expiresAt, confirmed } of journal) {
    const fields = { door: name, source: formatAddress(source), client };
    const door = config.doors.find((candidate) => candidate.name === name);
    if (door === undefined) {
      log.warn('a grant of a door that is no longer configured is forgotten: check that it is closed', fields);
      await store.closeGrant(name, source).catch((error: unknown) => {
        log.warn('the journal could not forget a grant', { ...fields, reason: formatProblemOf(error) });
      });
      continue;
    }
    const left = confirmed ? remainingMs(expiresAt, door.policy.grantMs, wallMs) : 0;
    engine.grants.set({ door: name, source, client, openedAt, expiresAt, endsAtMs: monoMs + Math.max(left, 0) });
    if (left > 0) log.info('still open from before', { ...fields, seconds: Math.ceil(left / 1000) });
    else log.info('overdue from before, closing', fields);
    // Started commands are still in force even when overdue; sets of nftables are made anew without them.
    if (left > 0 || firewall.openingsPersist(door.action))
      openings.push({ door: name, source, remainingMs: Math.max(left, 0) });
  }
  return openings;
}
