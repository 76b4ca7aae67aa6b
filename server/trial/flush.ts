/**
 * Removes everything of ours from this machine's firewalls, also leftovers of earlier runs. First closes the journaled
 * grants whose commands or lines are still in effect; then every backend removes its rules. Afterwards the doors are
 * open to everyone. The caller must make sure that no daemon runs.
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
  /** The closed grants of the journal: door and source, as text. */
  readonly closed: readonly string[];
  /** What could not be removed, one line each. Empty when nothing of ours is left. */
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
      ...otherBackends({ guardLoopback, nft }),
    });
    const store = openStore(config, left);
    if (store !== undefined) {
      try {
        await closeJournaled(config, firewall, store, closed, left);
      } finally {
        await store.close();
      }
    }
    // The table that selects packets for the capture, which a killed daemon leaves. It blocks no packet.
    await nft.run(REMOVE_WATCH).catch(() => undefined);
    const used = new Set<ActionKind>(config.doors.map(({ action }) => action.kind));
    for (const [kind, reason] of await firewall.purge()) {
      // A firewall that no door uses and whose programs fail has no rules of ours.
      if (used.has(kind)) left.push(`${kind}: ${formatProblemOf(reason)}`);
    }
  } finally {
    nft.close();
  }
  return { closed, left };
}

/**
 * Undefined where the state is unusable: openings by commands are then unknown, and everything else is still removed.
 */
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
      // Openings of nftables or iptables end with their tables. Commands and lines of files need a close.
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
