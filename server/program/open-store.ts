/**
 * Opening the state so that a failure leaves the doors shut: a daemon that cannot know what is spent must not leave ports
 * as open as it found them either.
 */
import type { ServerConfig } from '../config/config.ts';
import type { Firewall } from '../firewall/firewall.ts';
import { formatProblemOf } from '../log/error-text.ts';
import type { Log } from '../log/log.ts';
import { openSqliteStore, type SqliteStore } from '../store/sqlite-store.ts';
import { isHeldByOther } from '../store/state-file.ts';

/**
 * The store of `config.stateDir`. When it cannot be opened, every door is closed to everyone first, unless another daemon
 * is in charge: then its openings are not ours to end. @throws KnockError STORE, STATE_REFUSED
 */
export async function openStoreOrShut(config: ServerConfig, firewall: Firewall, log: Log): Promise<SqliteStore> {
  try {
    return openSqliteStore(config.stateDir);
  } catch (error) {
    if (!isHeldByOther(error)) {
      await firewall.prepare(config.doors, []).then(
        () => log.error('the doors are shut: without its state the daemon lets nobody in'),
        (failure: unknown) => log.error('the doors could not be shut either', { reason: formatProblemOf(failure) }),
      );
    }
    throw error;
  }
}
