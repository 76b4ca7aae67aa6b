/**
 * Knocks at the door of one profile: checks the options, reads the secret when it is needed, and collects the results.
 */
import { KnockError } from '../../shared/errors.ts';
import type { Address, Deps } from '../deps.ts';
import type { FoundProfile } from '../factors/found-profile.ts';
import { doorMemory } from '../factors/last-success.ts';
import type { PublicProfile } from '../profiles/public-profile.ts';
import { readSecret } from '../profiles/secret-storage.ts';
import { say } from '../terminal/output.ts';
import { doorLeases } from './door-lease.ts';
import type { DoorKnockOptions, DoorResult } from './door-result.ts';
import type { KnockEvent } from './knock-events.ts';
import type { Opening } from './knock-request.ts';
import { knock } from './knock-run.ts';
import { verifyPortOf, whyUnverified } from './verify-port.ts';

/** Default of --timeout: enough to wait until a used step of 30 s is over, and for two factors. */
const DEFAULT_TIMEOUT_S = 60;

/** @throws KnockError USAGE before anything is spent */
export async function knockAtDoor(
  { stored, ledger }: FoundProfile,
  options: DoorKnockOptions,
  deps: Deps,
  listener: (event: KnockEvent) => void,
): Promise<DoorResult> {
  const { profile, name } = stored;
  refuseLongDelay(profile, options.delay);
  const verifyPort = verifyPortOf(profile, options);
  if (options.verify !== false && verifyPort === undefined) {
    say(deps, whyUnverified(profile));
  }
  const { folder } = ledger;
  const otherRuns = {
    memory: doorMemory(folder, deps.owner),
    leases: doorLeases(folder, deps.owner, deps.clock),
    // A door that lets in one connection for each knock has none to share, and none to spend on a probe.
    mayShare: options.again !== true && profile.opensOnce !== true,
  };
  const resolved: Address[] = [];
  const knockedAt: Address[] = [];
  const results = await knock(
    {
      profile,
      secret: async () => {
        // The progress line must go away while the passphrase is asked for.
        if (stored.storage.kind !== 'plain') listener({ kind: 'unlocking' });
        return await readSecret(stored, deps);
      },
      name,
      target: profile.host ?? name,
      families: options.families,
      verifyPort,
      gapMs: options.delay,
      source: { source: options.source, whoami: options.whoami },
      timeoutMs: (options.timeout ?? DEFAULT_TIMEOUT_S) * 1000,
      otherRuns,
      signal: options.signal,
    },
    ledger,
    deps,
    (event) => {
      if (event.kind === 'knocking') {
        knockedAt.push(event.address);
        resolved.push(...event.resolved.filter((each) => !resolved.includes(each)));
      }
      listener(event);
    },
  );
  return {
    stored,
    verifyPort,
    openings: results.filter((result): result is Opening => !(result instanceof KnockError)),
    errors: results.filter((result) => result instanceof KnockError),
    resolved,
    knockedAt,
  };
}

/** Refuses a pause that would make the sequence longer than `seq_timeout`, before a factor is spent. */
function refuseLongDelay(profile: PublicProfile, delayMs: number | undefined): void {
  const knocks = profile.knocks * (profile.bindsSource === true ? 2 : 1);
  if (delayMs === undefined || delayMs * (knocks - 1) < profile.seqTimeout * 1000) return;
  const most = Math.floor((profile.seqTimeout * 1000 - 1) / (knocks - 1));
  throw new KnockError('USAGE', `--delay ${delayMs} is too long for ${knocks} knocks`, {
    hint: `the door "${profile.door}" expects them within ${profile.seqTimeout} s: at most --delay ${most}`,
  });
}
