/**
 * After a knock that opened nothing: what can be found out from here, at once and without spending anything. Everything is
 * looked at side by side and in bounded time. Asked are the server itself and the time servers that this host is set up to
 * use, nobody else; what is not known by then is not said. The long look is `knock-otp doctor`.
 */
import { KnockError } from '../../shared/errors.ts';
import type { Deps } from '../deps.ts';
import type { FactorLedger } from '../factors/factor-ledger.ts';
import { doorMemory } from '../factors/last-success.ts';
import type { DoorResult } from '../knock/door-result.ts';
import { clockFinding } from './clock-check.ts';
import { counterFinding } from './counter-check.ts';
import type { Finding } from './finding.ts';
import { movedFinding, networkFinding, portFinding } from './path-check.ts';

/** Somebody waits for the words. */
const LOOK_MS = 1500;
/** ssh waits too, and mostly tells nobody. */
const PROXY_LOOK_MS = 800;

/** Ports that are silent to the end must not take the word from the one that answered. */
const SUM_UP_MS = 250;

/** Each is a stray at the server: fewer than the doctor tries, and enough where a network bars most of them. */
const TRIED_PORTS = 4;

/** The visit of a door that was knocked at and stayed closed, its errors with what was found. */
export async function explainClosedDoor(
  came: DoorResult,
  ledger: FactorLedger,
  isProxy: boolean,
  deps: Deps,
): Promise<DoorResult> {
  const isClosed = (error: KnockError) => error.code === 'DOOR_CLOSED';
  const findings = await gatherFindings(came, ledger, isProxy ? PROXY_LOOK_MS : LOOK_MS, deps);
  if (findings.length === 0) return came;
  return {
    ...came,
    errors: came.errors.map((error) => (isClosed(error) ? withFindings(error, findings, came.stored.name) : error)),
  };
}

/** In the order in which they are worth reading. */
async function gatherFindings(
  came: DoorResult,
  ledger: FactorLedger,
  lookMs: number,
  deps: Deps,
): Promise<readonly Finding[]> {
  const { stored, resolved, knockedAt, openings } = came;
  const { profile, name } = stored;
  // What the own disk knows comes first, and takes no time that counts.
  const last = await doorMemory(ledger.folder, deps.owner).last();
  const used = await ledger.last();
  const over = new AbortController();
  const end = deps.clock.sleep(lookMs, over.signal).then(() => undefined);
  const timely = async (finding: Promise<Finding | undefined>) =>
    await Promise.race([finding.catch(() => undefined), end]);
  const address = knockedAt.find((each) => openings.every((opening) => opening.address.address !== each.address));
  const found = await Promise.all([
    timely(clockFinding(profile, last, lookMs, deps)),
    counterFinding(profile, last, used),
    movedFinding(profile.host ?? name, resolved, last),
    timely(networkFinding(name, address, last, deps)),
    // Silence is what a hidden server shows.
    timely(
      address === undefined
        ? Promise.resolve(undefined)
        : barred(portFinding(profile, address, TRIED_PORTS, lookMs - SUM_UP_MS, deps)),
    ),
  ]);
  over.abort();
  return found.filter((each) => each !== undefined);
}

async function barred(finding: Promise<Finding>): Promise<Finding | undefined> {
  const found = await finding;
  return found.level === 'ok' ? undefined : found;
}

function withFindings(error: KnockError, findings: readonly Finding[], name: string): KnockError {
  const hints = findings.flatMap(({ level, hint }) => (level === 'ok' || hint === undefined ? [] : [hint]));
  // What is certain takes the place of what may be; a suspicion stands before it.
  const isCertain = findings.some(({ level }) => level === 'fail');
  const rest = isCertain || error.hint === undefined ? `for more: knock-otp doctor ${name}` : error.hint;
  return new KnockError('DOOR_CLOSED', error.message, {
    cause: error,
    hint: [...hints, rest].join('; '),
    problems: findings.map(({ check, message }) => ({ key: check, message })),
  });
}
