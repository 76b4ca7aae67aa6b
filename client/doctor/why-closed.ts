/**
 * The checks after a knock that opened nothing: they run at once, in parallel, in bounded time, and spend nothing. They
 * contact only the server and the time servers that this host is configured to use. A result that is not there in time
 * is left out. `knock-otp doctor` runs the longer checks.
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

/** The user waits for the message. */
const CHECK_MS = 1500;
/** With --proxy, ssh waits too. */
const PROXY_CHECK_MS = 800;

/** The port check ends earlier by this, so that silent ports do not hide the answer of another one. */
const PORTS_EARLIER_MS = 250;

/** Each is a stray at the server: fewer than the doctor tries, and enough where a network blocks most of them. */
const TRIED_PORTS = 4;

/** The result of a knock at a door that stayed closed, with the findings in its errors. */
export async function explainClosedDoor(
  result: DoorResult,
  ledger: FactorLedger,
  isProxy: boolean,
  deps: Deps,
): Promise<DoorResult> {
  const isClosed = (error: KnockError) => error.code === 'DOOR_CLOSED';
  const findings = await gatherFindings(result, ledger, isProxy ? PROXY_CHECK_MS : CHECK_MS, deps);
  if (findings.length === 0) return result;
  return {
    ...result,
    errors: result.errors.map((error) => (isClosed(error) ? withFindings(error, findings, result.stored.name) : error)),
  };
}

/** The most useful findings come first. */
async function gatherFindings(
  result: DoorResult,
  ledger: FactorLedger,
  checkMs: number,
  deps: Deps,
): Promise<readonly Finding[]> {
  const { stored, resolved, knockedAt, openings } = result;
  const { profile, name } = stored;
  // Reading the disk first takes no noticeable time.
  const last = await doorMemory(ledger.folder, deps.owner).last();
  const used = await ledger.last();
  const finished = new AbortController();
  const end = deps.clock.sleep(checkMs, finished.signal).then(() => undefined);
  const inTime = async (finding: Promise<Finding | undefined>) =>
    await Promise.race([finding.catch(() => undefined), end]);
  const address = knockedAt.find((each) => openings.every((opening) => opening.address.address !== each.address));
  const found = await Promise.all([
    inTime(clockFinding(profile, last, checkMs, deps)),
    counterFinding(profile, last, used),
    movedFinding(profile.host ?? name, resolved, last),
    inTime(networkFinding(name, address, last, deps)),
    // A hidden server is silent, so only other answers are findings.
    inTime(
      address === undefined
        ? Promise.resolve(undefined)
        : onlyProblems(portFinding(profile, address, TRIED_PORTS, checkMs - PORTS_EARLIER_MS, deps)),
    ),
  ]);
  finished.abort();
  return found.filter((each) => each !== undefined);
}

async function onlyProblems(finding: Promise<Finding>): Promise<Finding | undefined> {
  const found = await finding;
  return found.level === 'ok' ? undefined : found;
}

function withFindings(error: KnockError, findings: readonly Finding[], name: string): KnockError {
  const hints = findings.flatMap(({ level, hint }) => (level === 'ok' || hint === undefined ? [] : [hint]));
  // A certain reason replaces the general hint; a suspicion comes before it.
  const isCertain = findings.some(({ level }) => level === 'fail');
  const rest = isCertain || error.hint === undefined ? `for more: knock-otp doctor ${name}` : error.hint;
  return new KnockError('DOOR_CLOSED', error.message, {
    cause: error,
    hint: [...hints, rest].join('; '),
    problems: findings.map(({ check, message }) => ({ key: check, message })),
  });
}
