/**
 * Takes everything of ours out of this machine's firewall, whatever an earlier run left there: grants whose commands or
 * lines are still in force are closed first, by the journal, then every backend removes what it made. The doors are open
 * to everyone afterwards. Knows no daemon: whoever calls holds that none runs.
 */
import { formatAddress } from '../../shared/address.ts';
import { REMOVE_WATCH } from '../capture/kernel/watch-script.ts';
import type { ServerConfig } from '../config/config.ts';
import { DoorsFirewall } from '../firewall/doors-firewall.ts';
import type { ActionKind } from '../firewall/firewall.ts';
import { NftablesFirewall } from '../firewall/nftables/nftables.ts';
import { otherBackends } from '../firewall/other-backends.ts';
import { formatProblemOf } from '../log/error-text.ts';
import { openNftRunner } from '../nft/open-nft-runner.ts';
import { openSqliteStore, type SqliteStore } from '../store/sqlite-store.ts';
import { isHeldByOther } from '../store/state-file.ts';

export interface FlushReport {
  /** Grants of the journal that were closed: door and source, as text. */
  readonly closed: readonly string[];
  /** What could not be taken away, a line each. Empty when nothing of ours is left. */
  readonly left: readonly string[];
}

/** @throws KnockError STATE_REFUSED while a daemon runs on this state */
export async function flushFirewall(config: ServerConfig): Promise<FlushReport> {
  const closed: string[] = [];
  const left: string[] = [];
  const nft = await openNftRunner();
  try {
    const guardLoopback = false;
    const firewall = new DoorsFirewall({
      nftables: new NftablesFirewall(nft, { guardLoopback }),
      ...otherBackends({ guardLoopback }),
    });
    const store = openStore(config, left);
    if (store !== undefined) {
      try {
        await closeJournaled(config, firewall, store, closed, left);
      } finally {
        await store.close();
      }
    }
    // The table that chose packets for a daemon that was killed: it keeps nobody out, and is ours all the same.
    await nft.run(REMOVE_WATCH).catch(() => undefined);
    const used = new Set<ActionKind>(config.doors.map(({ action }) => action.kind));
    for (const [kind, reason] of await firewall.purge()) {
      // A firewall that no door uses and whose programs do not answer holds nothing of ours.
      if (used.has(kind)) left.push(`${kind}: ${formatProblemOf(reason)}`);
    }
  } finally {
    nft.close();
  }
  return { closed, left };
}

/** Undefined where the state is unusable: what is open by commands is then unknown, the rest is taken away all the same. */
function openStore(config: ServerConfig, left: string[]): SqliteStore | undefined {
  try {
    return openSqliteStore(config.stateDir);
  } catch (error) {
    if (isHeldByOther(error)) throw error;
    left.push(`what commands have opened is unknown: ${formatProblemOf(error)}`);
    return undefined;
  }
}

async function closeJournaled(
  { doors }: ServerConfig,
  firewall: DoorsFirewall,
  store: SqliteStore,
  closed: string[],
  left: string[],
): Promise<void> {
  for (const { door: name, source } of (await store.load()).grants) {
    const door = doors.find((candidate) => candidate.name === name);
    const what = `${name} for ${formatAddress(source)}`;
    if (door === undefined) {
      left.push(`${what}: the door is no longer configured, check that it is closed`);
      continue;
    }
    try {
      // What nftables or iptables hold goes with their tables; commands and lines need their own close.
      if (firewall.openingsPersist(door.action)) {
        await firewall.prepare([door], [{ door: name, source, remainingMs: 0 }]);
        await firewall.close(door, source);
      }
      await store.closeGrant(name, source);
      closed.push(what);
    } catch (error) {
      left.push(`${what}: ${formatProblemOf(error)}`);
    }
  }
}
