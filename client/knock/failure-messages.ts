/**
 * The words for a knock that did not work: what was seen, and what to try. A knock has no answer, so the client cannot
 * know why; it says what it can tell apart.
 */
import { KnockError } from '../../shared/errors.ts';
import { addressesOf } from '../address/reachable-addresses.ts';
import { type PublicAddress, sourceAdvice } from '../address/source-options.ts';
import type { Address, ProbeSeen } from '../deps.ts';
import type { PublicProfile } from '../profiles/public-profile.ts';

interface Knocked {
  readonly profile: PublicProfile;
  readonly name: string;
  readonly verifyPort: number | undefined;
}

export interface RunSummary {
  readonly factors: number;
  readonly elapsedMs: number;
  readonly seen: ProbeSeen;
  /** The address that the knock was bound to. */
  readonly source?: PublicAddress | undefined;
}

/** DOOR_CLOSED: another run has been knocking for as long as this one may take. */
export function heldByOtherRun(name: string): KnockError {
  return new KnockError('DOOR_CLOSED', `another run of knock-otp is still knocking at ${name}`, {
    hint: 'see what that one says, or allow more time with --timeout',
  });
}

/** NETWORK: a part of a sequence, with which nothing opens. */
export function partlySent(name: string, address: Address, codes: readonly string[], of: number): KnockError {
  const reasons = [...new Set(codes)].join(', ');
  const text = `${codes.length} of ${of} knocks could not be sent to ${name} (${address.address}): ${reasons}`;
  return new KnockError('NETWORK', text, {
    hint: 'a firewall on this machine refuses them, or the network went away',
  });
}

/** DOOR_CLOSED: knocked with a profile, and the port stayed shut. */
export function doorClosed(request: Knocked, addresses: readonly Address[], campaign: RunSummary): KnockError {
  const { factors, elapsedMs } = campaign;
  const told = `the door "${request.profile.door}" of ${request.name} did not open`;
  const general = request.profile.mode === 'totp' ? totpAdvice(request.name) : hotpAdvice();
  const advice = campaign.source === undefined ? general : `${sourceAdvice(campaign.source)}; or ${general}`;
  const tries = `${factors} ${factors === 1 ? 'sequence' : 'sequences'} in ${seconds(elapsedMs)} s`;
  return closed(told, addresses.slice(0, Math.max(1, factors)), request.verifyPort, tries, campaign.seen, advice);
}

/** DOOR_CLOSED: knocked with given ports, and the port stayed shut. */
export function stayedClosed(
  name: string,
  address: Address,
  verifyPort: number,
  elapsedMs: number,
  seen: ProbeSeen,
  advice: string,
): KnockError {
  return closed(`${name} did not open`, [address], verifyPort, `${seconds(elapsedMs)} s`, seen, advice);
}

function closed(
  told: string,
  addresses: readonly Address[],
  verifyPort: number | undefined,
  tries: string,
  seen: ProbeSeen,
  silentAdvice: string,
): KnockError {
  const where = addressesOf(addresses);
  const port = `tcp/${verifyPort}`;
  if (seen.refused > 0) {
    return new KnockError('DOOR_CLOSED', `${told}: ${where} refuses ${port} (${tries})`, {
      hint: `either a firewall rejects, or the door is open and no service listens on ${port}`,
    });
  }
  if (seen.unreachable > 0) {
    return new KnockError('DOOR_CLOSED', `${told}: the path to ${where} reports it unreachable (${tries})`, {
      hint: 'is the address right, and is the server up?',
    });
  }
  return new KnockError('DOOR_CLOSED', `${told}: no answer from ${where} ${port} (${tries})`, { hint: silentAdvice });
}

function seconds(ms: number): number {
  return Math.round(ms / 1000);
}

function totpAdvice(name: string): string {
  return (
    `compare this clock with the server's (date -u; "knock-otp show ${name} --code" shows what an authenticator app ` +
    'with the right time and secret shows), check that the server knows this client (knock-otpd status), and that ' +
    'the network here lets packets to high ports out'
  );
}

function hotpAdvice(): string {
  return (
    'check that the server knows this client and how far its counter is (knock-otpd status), and that the network ' +
    'here lets packets to high ports out; each failed run uses up counters of the look-ahead'
  );
}
