/** Is this clock right enough for a totp door? Against a time server, and against the last knock that worked. */
import { randomBytes } from 'node:crypto';
import { KnockError } from '../../shared/errors.ts';
import type { Address, Deps } from '../deps.ts';
import type { LastSuccess } from '../factors/last-success.ts';
import type { PublicProfile } from '../profiles/public-profile.ts';
import type { Finding } from './finding.ts';
import { NTP_PORT, readTimeAnswer, type TimeAnswer, timeQuestion } from './sntp.ts';
import { TIME_FILES, timeServers } from './time-servers.ts';

/** A server that is there answers in a round trip. */
const ANSWER_MS = 1500;

const HOW_TO_SET = 'set the clock, or switch a time service on (timedatectl set-ntp true)';

export async function clockFindings(
  profile: PublicProfile,
  last: LastSuccess | undefined,
  server: string | undefined,
  deps: Deps,
): Promise<readonly Finding[]> {
  if (profile.mode === 'hotp')
    return [{ check: 'clock', level: 'ok', message: 'this door counts, and needs no clock' }];
  const before = setBack(last, deps.clock.wallMs());
  if (before !== undefined) return [before];
  const servers = server === undefined ? timeServers(await filesThatAreThere(deps)) : [server];
  if (servers.length === 0) {
    const hint = 'name one of yours: knock-otp doctor HOST --ntp SERVER';
    return [
      { check: 'clock', level: 'warn', message: 'no time server is set up on this host, so none was asked', hint },
    ];
  }
  const asked = await askAll(servers, ANSWER_MS, (host) => deps.network.resolve(host, 0), deps);
  if ('answer' in asked) return [judged(profile, asked.server, asked.answer)];
  const hint = 'many networks let no NTP out; compare with a clock that you trust (date -u)';
  return [{ check: 'clock', level: 'warn', message: `no time server answered (${asked.failures.join('; ')})`, hint }];
}

/**
 * The same for whoever did not ask: undefined where no clock is needed or nobody tells the time.
 * @param answerMs how long the time servers are waited for
 */
export async function clockFinding(
  profile: PublicProfile,
  last: LastSuccess | undefined,
  answerMs: number,
  deps: Deps,
): Promise<Finding | undefined> {
  if (profile.mode === 'hotp') return undefined;
  const before = setBack(last, deps.clock.wallMs());
  if (before !== undefined) return before;
  const servers = timeServers(await filesThatAreThere(deps));
  const find: Finder = (host) => deps.network.resolveInTime(host, answerMs);
  const asked = await askAll(servers, answerMs, find, deps);
  return 'answer' in asked ? judged(profile, asked.server, asked.answer) : undefined;
}

function setBack(last: LastSuccess | undefined, now: number): Finding | undefined {
  if (last === undefined || last.atMs <= now) return undefined;
  const seconds = Math.round((last.atMs - now) / 1000);
  const message = `it is ${seconds} s before the last knock that worked: it was set back, or was ahead then`;
  return { check: 'clock', level: 'fail', message, hint: HOW_TO_SET };
}

/** The server of the door takes `window` steps either way, if its own clock is right. */
function judged({ step, window }: PublicProfile, server: string, { aheadMs, delayMs }: Told): Finding {
  const off = Math.abs(aheadMs);
  const allowedMs = Math.max(window * step, step / 2) * 1000;
  const words = off < 1000 ? `${Math.round(off)} ms` : `${(off / 1000).toFixed(1)} s`;
  const message = `${words} ${aheadMs > 0 ? 'behind' : 'ahead of'} ${server} (round trip ${Math.round(delayMs)} ms)`;
  if (off <= allowedMs / 3) return { check: 'clock', level: 'ok', message };
  const limit = `the door takes ${allowedMs / 1000} s either way: `;
  return { check: 'clock', level: off > allowedMs ? 'fail' : 'warn', message, hint: `${limit}${HOW_TO_SET}` };
}

type Finder = (host: string) => Promise<readonly Address[]>;
type Told = TimeAnswer & { readonly ok: true };
type Asked = { readonly server: string; readonly answer: Told } | { readonly failures: readonly string[] };

/** Side by side, whichever answers first: they were chosen by whoever set this host up, and their times differ by little. */
async function askAll(servers: readonly string[], answerMs: number, find: Finder, deps: Deps): Promise<Asked> {
  const failures: string[] = [];
  const asked = servers.map(async (server) => {
    const answer = await ask(server, answerMs, find, deps);
    if (answer.ok) return { server, answer };
    failures.push(`${server}: ${answer.reason}`);
    throw new Error(answer.reason);
  });
  // Rejects when none answers, at once when there is none.
  return await Promise.any(asked).catch(() => ({ failures }));
}

async function ask(server: string, answerMs: number, find: Finder, { network, clock }: Deps): Promise<TimeAnswer> {
  try {
    const [address] = await find(server);
    if (address === undefined) return { ok: false, reason: 'no address' };
    const cookie = randomBytes(8);
    const sentMs = clock.wallMs();
    const answer = await network.exchange(address, NTP_PORT, timeQuestion(cookie), answerMs);
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
