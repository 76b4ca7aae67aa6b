/**
 * One profile's door, knocked at with all that belongs to it: its used factors, what earlier runs saw, the turn among
 * runs of the same moment. What comes of it is told by those who asked: host-command, several, exec-command.
 */
import { join } from 'node:path';
import { KnockError } from '../../shared/errors.ts';
import type { SourceOptions } from '../address/source-options.ts';
import type { Address, Deps } from '../deps.ts';
import { type FactorLedger, factorLedger } from '../factors/factor-ledger.ts';
import { doorMemory } from '../factors/last-success.ts';
import { configFolder, profileStore, type StoredProfile } from '../profiles/profile-store.ts';
import type { Outline } from '../profiles/public-profile.ts';
import { factorsOf, secretOf } from '../profiles/secret-storage.ts';
import { say } from '../terminal/output.ts';
import { turns } from './door-lease.ts';
import type { KnockEvent } from './knock-events.ts';
import type { Families, Opening } from './knock-request.ts';
import { knock } from './knock-run.ts';

export interface Found {
  readonly stored: StoredProfile;
  readonly ledger: FactorLedger;
}

export interface VisitOptions extends SourceOptions {
  readonly families: Families;
  /** The port that the caller will connect to; it is the one to verify. */
  readonly proxyPort?: number | undefined;
  /** A port to try, false for none, undefined for the profile's own. */
  readonly verify?: number | false | undefined;
  /** Milliseconds between two knocks. */
  readonly delay?: number | undefined;
  /** Seconds. */
  readonly timeout?: number | undefined;
  /** Knock although the door stands open: its time begins anew. */
  readonly again?: boolean | undefined;
  readonly signal?: AbortSignal;
}

export interface Visit {
  readonly stored: StoredProfile;
  /** Undefined when nothing could be verified. */
  readonly verifyPort: number | undefined;
  readonly openings: readonly Opening[];
  readonly errors: readonly KnockError[];
  /** Addresses that could be knocked at, and those that were, in the order of trying. */
  readonly resolved: readonly Address[];
  readonly knockedAt: readonly Address[];
}

/** Of --timeout: room for the wait until a used step of 30 s is over, and for two factors. */
const DEFAULT_TIMEOUT_S = 60;

/** The profile that the user means, and its used factors. */
export async function findProfile(host: string, door: string | undefined, deps: Deps): Promise<Found> {
  const config = configFolder(deps.env, deps.owner.platform);
  const stored = await profileStore(config, deps.owner).find(host, door);
  return { stored, ledger: factorLedger(join(config, 'spent', factorsOf(stored)), deps.owner) };
}

/**
 * The port that shows whether the door is open; undefined when there is none or none is wanted.
 * @throws KnockError USAGE when the user asks for the one connection that a knock is for to be used up
 */
export function verifyPortOf(
  profile: Outline,
  { proxyPort, verify }: Pick<VisitOptions, 'proxyPort' | 'verify'>,
): number | undefined {
  if (proxyPort !== undefined || verify === false) return proxyPort;
  if (profile.opensOnce !== true) return verify ?? tcpPortOf(profile);
  const isService = profile.services.some(({ protocol, port }) => protocol === 'tcp' && port === verify);
  if (!isService) return verify;
  throw new KnockError(
    'USAGE',
    `--verify ${verify} would use up the one connection that the door "${profile.door}" lets in`,
    {
      hint: `leave it out, or let the connection that is tried be yours: knock-otp --proxy HOST ${verify}`,
    },
  );
}

function whyUnverified({ door, opensOnce }: Outline): string {
  return opensOnce === true
    ? `the door "${door}" lets one connection in, which is left for you: sending without verification`
    : `the door "${door}" opens no TCP port that could be tried: sending without verification`;
}

/** The first TCP port that the door opens. */
export function tcpPortOf(profile: Outline): number | undefined {
  return profile.services.find(({ protocol }) => protocol === 'tcp')?.port;
}

/** @throws KnockError USAGE before anything is spent */
export async function visit(
  { stored, ledger }: Found,
  options: VisitOptions,
  deps: Deps,
  listener: (event: KnockEvent) => void,
): Promise<Visit> {
  const { profile, name } = stored;
  refuseSlowness(profile, options.delay);
  const verifyPort = verifyPortOf(profile, options);
  if (options.verify !== false && verifyPort === undefined) {
    say(deps, whyUnverified(profile));
  }
  const { folder } = ledger;
  const company = {
    memory: doorMemory(folder, deps.owner),
    turns: turns(folder, deps.owner, deps.clock),
    // The one connection of a door that opens once is nobody else's, and no probe's.
    mayShare: options.again !== true && profile.opensOnce !== true,
  };
  const resolved: Address[] = [];
  const knockedAt: Address[] = [];
  const results = await knock(
    {
      profile,
      secret: async () => {
        // The line of progress has to make room for the question.
        if (stored.keeping.kind !== 'plain') listener({ kind: 'unlocking' });
        return await secretOf(stored, deps);
      },
      name,
      target: profile.host ?? name,
      families: options.families,
      verifyPort,
      gapMs: options.delay,
      source: { source: options.source, whoami: options.whoami },
      timeoutMs: (options.timeout ?? DEFAULT_TIMEOUT_S) * 1000,
      company,
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

/** Where the door stayed closed: the same, with what could be found out about it. Loads nothing where it opened. */
export async function toldWhy(
  came: Visit,
  found: Found,
  isProxy: boolean,
  deps: Deps,
  listener: (event: KnockEvent) => void,
): Promise<Visit> {
  // Another run's knock is another run's to explain.
  if (came.knockedAt.length === 0 || !came.errors.some(({ code }) => code === 'DOOR_CLOSED')) return came;
  listener({ kind: 'looking' });
  const { explained } = await import('../doctor/why-closed.ts');
  return await explained(came, found.ledger, isProxy, deps);
}

/** Before a factor is spent on a sequence that the server would give up on. */
function refuseSlowness(profile: Outline, delayMs: number | undefined): void {
  const knocks = profile.knocks * (profile.bindsSource === true ? 2 : 1);
  if (delayMs === undefined || delayMs * (knocks - 1) < profile.seqTimeout * 1000) return;
  const most = Math.floor((profile.seqTimeout * 1000 - 1) / (knocks - 1));
  throw new KnockError('USAGE', `--delay ${delayMs} is too long for ${knocks} knocks`, {
    hint: `the door "${profile.door}" wants them within ${profile.seqTimeout} s: at most --delay ${most}`,
  });
}
