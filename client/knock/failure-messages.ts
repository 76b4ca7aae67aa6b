/**
 * The errors of a knock that failed: what the client saw, and what to try. A knock has no answer, so the client does
 * not know the reason; it reports only what it can distinguish.
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

/** DOOR_CLOSED: another run held the lease until this run's time was over. */
export function heldByOtherRun(name: string): KnockError {
  return new KnockError('DOOR_CLOSED', `another run of knock-otp is still knocking at ${name}`, {
    hint: 'see the output of the other run, or allow more time with --timeout',
  });
}

/** NETWORK: only a part of a sequence was sent, which opens nothing. */
export function partlySent(name: string, address: Address, codes: readonly string[], of: number): KnockError {
  const reasons = [...new Set(codes)].join(', ');
  const text = `${codes.length} of ${of} knocks could not be sent to ${name} (${address.address}): ${reasons}`;
  return new KnockError('NETWORK', text, {
    hint: 'a firewall on this machine blocks them, or the network was lost',
  });
}

/** DOOR_CLOSED: after a knock with a profile the port stayed closed. */
export function doorClosed(request: Knocked, addresses: readonly Address[], run: RunSummary): KnockError {
  const { factors, elapsedMs } = run;
  const summary = `the door "${request.profile.door}" of ${request.name} did not open`;
  const general = request.profile.mode === 'totp' ? totpAdvice(request.name) : hotpAdvice();
  const advice = run.source === undefined ? general : `${sourceAdvice(run.source)}; or ${general}`;
  const tries = `${factors} ${factors === 1 ? 'sequence' : 'sequences'} in ${seconds(elapsedMs)} s`;
  return closed(summary, addresses.slice(0, Math.max(1, factors)), request.verifyPort, tries, run.seen, advice);
}

/** DOOR_CLOSED: after a knock with ports of the command line or of a file the port stayed closed. */
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
  summary: string,
  addresses: readonly Address[],
  verifyPort: number | undefined,
  tries: string,
  seen: ProbeSeen,
  silentAdvice: string,
): KnockError {
  const where = addressesOf(addresses);
  const port = `tcp/${verifyPort}`;
  if (seen.refused > 0) {
    return new KnockError('DOOR_CLOSED', `${summary}: ${where} refuses ${port} (${tries})`, {
      hint: `either a firewall rejects, or the door is open and no service listens on ${port}`,
    });
  }
  if (seen.unreachable > 0) {
    return new KnockError('DOOR_CLOSED', `${summary}: the path to ${where} reports it unreachable (${tries})`, {
      hint: 'is the address right, and is the server up?',
    });
  }
  return new KnockError('DOOR_CLOSED', `${summary}: no answer from ${where} ${port} (${tries})`, {
    hint: silentAdvice,
  });
}

function seconds(ms: number): number {
  return Math.round(ms / 1000);
}

function totpAdvice(name: string): string {
  return (
    `compare this clock with the server's (date -u; "knock-otp show ${name} --code" shows the code that an authenticator ` +
    'app with the right time and secret shows), check that the server knows this client (knock-otpd status), and that ' +
    'this network lets packets to high ports out'
  );
}

function hotpAdvice(): string {
  return (
    'check that the server knows this client and which counter it expects (knock-otpd status), and that this network ' +
    'lets packets to high ports out; each failed run uses up counters of the look-ahead window'
  );
}
