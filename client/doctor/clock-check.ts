/** Checks the clock for a TOTP door: against a time server, and against the last knock that worked. */
import { randomBytes } from 'node:crypto';
import { KnockError } from '../../shared/errors.ts';
import type { Address, Deps } from '../deps.ts';
import type { LastSuccess } from '../factors/last-success.ts';
import type { PublicProfile } from '../profiles/public-profile.ts';
import type { Finding } from './finding.ts';
import { NTP_PORT, readTimeAnswer, type TimeAnswer, timeQuestion } from './sntp.ts';
import { TIME_FILES, timeServers } from './time-servers.ts';

/** How long the doctor waits for a time server, which answers within a round trip. */
const ANSWER_MS = 1500;

const HOW_TO_SET = 'set the clock, or turn on a time service (timedatectl set-ntp true)';

export async function clockFindings(
  profile: PublicProfile,
  last: LastSuccess | undefined,
  server: string | undefined,
  deps: Deps,
): Promise<readonly Finding[]> {
  if (profile.mode === 'hotp')
    return [{ check: 'clock', level: 'ok', message: 'this door uses counters and needs no clock' }];
  const clockSetBack = setBack(last, deps.clock.wallMs());
  if (clockSetBack !== undefined) return [clockSetBack];
  const servers = server === undefined ? timeServers(await configFiles(deps)) : [server];
  if (servers.length === 0) {
    const hint = 'give one: knock-otp doctor HOST --ntp SERVER';
    return [
      { check: 'clock', level: 'warn', message: 'not compared: this machine has no time server configured', hint },
    ];
  }
  const asked = await askAll(servers, ANSWER_MS, (host) => deps.network.resolve(host, 0), deps);
  if ('answer' in asked) return [comparedWith(profile, asked.server, asked.answer)];
  const hint = 'many networks block NTP; compare this clock with one that you trust (date -u)';
  return [{ check: 'clock', level: 'warn', message: `no time server answered (${asked.failures.join('; ')})`, hint }];
}

/**
 * The same after a knock that failed: undefined for a HOTP door, and when no time server answers.
 * @param answerMs how long to wait for the time servers
 */
export async function clockFinding(
  profile: PublicProfile,
  last: LastSuccess | undefined,
  answerMs: number,
  deps: Deps,
): Promise<Finding | undefined> {
  if (profile.mode === 'hotp') return undefined;
  const clockSetBack = setBack(last, deps.clock.wallMs());
  if (clockSetBack !== undefined) return clockSetBack;
  const servers = timeServers(await configFiles(deps));
  const resolve: Resolve = (host) => deps.network.resolveInTime(host, answerMs);
  const asked = await askAll(servers, answerMs, resolve, deps);
  return 'answer' in asked ? comparedWith(profile, asked.server, asked.answer) : undefined;
}

function setBack(last: LastSuccess | undefined, now: number): Finding | undefined {
  if (last === undefined || last.atMs <= now) return undefined;
  const seconds = Math.round((last.atMs - now) / 1000);
  const message = `${seconds} s before the last knock that worked: the clock was set back, or was ahead then`;
  return { check: 'clock', level: 'fail', message, hint: HOW_TO_SET };
}

/** A server with the right time accepts `window` steps either way. */
function comparedWith({ step, window }: PublicProfile, server: string, { aheadMs, delayMs }: GoodAnswer): Finding {
  const off = Math.abs(aheadMs);
  const allowedMs = Math.max(window * step, step / 2) * 1000;
  const amount = off < 1000 ? `${Math.round(off)} ms` : `${(off / 1000).toFixed(1)} s`;
  const message = `${amount} ${aheadMs > 0 ? 'behind' : 'ahead of'} ${server} (round trip ${Math.round(delayMs)} ms)`;
  if (off <= allowedMs / 3) return { check: 'clock', level: 'ok', message };
  const limit = `the door accepts ${allowedMs / 1000} s either way: `;
  return { check: 'clock', level: off > allowedMs ? 'fail' : 'warn', message, hint: `${limit}${HOW_TO_SET}` };
}

type Resolve = (host: string) => Promise<readonly Address[]>;
type GoodAnswer = TimeAnswer & { readonly ok: true };
type Asked = { readonly server: string; readonly answer: GoodAnswer } | { readonly failures: readonly string[] };

/** Asks all servers in parallel and uses the first answer: the configured servers differ by little. */
async function askAll(servers: readonly string[], answerMs: number, resolve: Resolve, deps: Deps): Promise<Asked> {
  const failures: string[] = [];
  const asked = servers.map(async (server) => {
    const answer = await ask(server, answerMs, resolve, deps);
    if (answer.ok) return { server, answer };
    failures.push(`${server}: ${answer.reason}`);
    throw new Error(answer.reason);
  });
  // Rejects when no server answers, at once when the list is empty.
  return await Promise.any(asked).catch(() => ({ failures }));
}

async function ask(server: string, answerMs: number, resolve: Resolve, { network, clock }: Deps): Promise<TimeAnswer> {
  try {
    const [address] = await resolve(server);
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

async function configFiles({ readText }: Deps): Promise<readonly string[]> {
  const texts = await Promise.all(TIME_FILES.map((path) => readText(path)));
  return texts.filter((text) => text !== undefined);
}
