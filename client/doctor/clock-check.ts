/** Is this clock right enough for a totp door? Against a time server, and against the last knock that worked. */
import { randomBytes } from 'node:crypto';
import { KnockError } from '../../shared/errors.ts';
import type { Deps } from '../deps.ts';
import type { LastSuccess } from '../last-success.ts';
import type { Outline } from '../outline.ts';
import type { Finding } from './finding.ts';
import { NTP_PORT, readTimeAnswer, type TimeAnswer, timeQuestion } from './sntp.ts';
import { TIME_FILES, timeServers } from './time-servers.ts';

/** A server that is there answers in a round trip. */
const ANSWER_MS = 1500;

const HOW_TO_SET = 'set the clock, or switch a time service on (timedatectl set-ntp true)';

export async function clockFindings(
  profile: Outline,
  last: LastSuccess | undefined,
  server: string | undefined,
  deps: Deps,
): Promise<readonly Finding[]> {
  if (profile.mode === 'hotp')
    return [{ check: 'clock', level: 'ok', message: 'this door counts, and needs no clock' }];
  const now = deps.clock.wallMs();
  if (last !== undefined && last.atMs > now) {
    const seconds = Math.round((last.atMs - now) / 1000);
    const message = `it is ${seconds} s before the last knock that worked: it was set back, or was ahead then`;
    return [{ check: 'clock', level: 'fail', message, hint: HOW_TO_SET }];
  }
  const servers = server === undefined ? timeServers(await filesThatAreThere(deps)) : [server];
  if (servers.length === 0) {
    const hint = 'name one of yours: knock-otp doctor HOST --ntp SERVER';
    return [
      { check: 'clock', level: 'warn', message: 'no time server is set up on this host, so none was asked', hint },
    ];
  }
  const failures: string[] = [];
  for (const each of servers) {
    const answer = await ask(each, deps);
    if (answer.ok) return [judged(profile, each, answer)];
    failures.push(`${each}: ${answer.reason}`);
  }
  const hint = 'many networks let no NTP out; compare with a clock that you trust (date -u)';
  return [{ check: 'clock', level: 'warn', message: `no time server answered (${failures.join('; ')})`, hint }];
}

/** The server of the door takes `window` steps either way, if its own clock is right. */
function judged(
  { step, window }: Outline,
  server: string,
  { aheadMs, delayMs }: TimeAnswer & { readonly ok: true },
): Finding {
  const off = Math.abs(aheadMs);
  const allowedMs = Math.max(window * step, step / 2) * 1000;
  const words = off < 1000 ? `${Math.round(off)} ms` : `${(off / 1000).toFixed(1)} s`;
  const message = `${words} ${aheadMs > 0 ? 'behind' : 'ahead of'} ${server} (round trip ${Math.round(delayMs)} ms)`;
  if (off <= allowedMs / 3) return { check: 'clock', level: 'ok', message };
  const limit = `the door takes ${allowedMs / 1000} s at most: `;
  return { check: 'clock', level: off > allowedMs ? 'fail' : 'warn', message, hint: `${limit}${HOW_TO_SET}` };
}

async function ask(server: string, { network, clock }: Deps): Promise<TimeAnswer> {
  try {
    const [address] = await network.resolve(server, 0);
    if (address === undefined) return { ok: false, reason: 'no address' };
    const cookie = randomBytes(8);
    const sentMs = clock.wallMs();
    const answer = await network.exchange(address, NTP_PORT, timeQuestion(cookie), ANSWER_MS);
    return answer === undefined
      ? { ok: false, reason: 'no answer' }
      : readTimeAnswer(answer, cookie, sentMs, clock.wallMs());
  } catch (error) {
    if (error instanceof KnockError) return { ok: false, reason: error.message };
    throw error;
  }
}

async function filesThatAreThere({ readText }: Deps): Promise<readonly string[]> {
  const texts = await Promise.all(TIME_FILES.map((path) => readText(path)));
  return texts.filter((text) => text !== undefined);
}
