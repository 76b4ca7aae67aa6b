/**
 * Checks the path to the server. A hidden port does not answer, and neither does a port behind a filter that drops
 * packets: silence alone does not tell which. Answers do: a router that reports the server unreachable (ICMP), a
 * middlebox that resets some ports. On a host of the user's own, whose closed ports refuse, silence means that a filter
 * drops packets.
 */
import { randomInt } from 'node:crypto';
import { BlockList, isIPv6 } from 'node:net';
import { allowedPorts } from '../../shared/allowed-ports.ts';
import { KnockError } from '../../shared/errors.ts';
import type { Address, Deps, PortAnswer } from '../deps.ts';
import type { LastSuccess } from '../factors/last-success.ts';
import type { PublicProfile } from '../profiles/public-profile.ts';
import { type Finding, listSome } from './finding.ts';

/** Enough to notice a filter that lets some ports through, and too few for a scan. */
export const TRIED_PORTS = 8;
export const ANSWER_MS = 1000;

export interface Path {
  readonly addresses: readonly Address[];
  readonly findings: readonly Finding[];
}

export async function nameFindings(target: string, last: LastSuccess | undefined, deps: Deps): Promise<Path> {
  let addresses: readonly Address[];
  try {
    addresses = await deps.network.resolve(target, 0);
  } catch (error) {
    if (!(error instanceof KnockError)) throw error;
    const { message, hint } = error;
    return {
      addresses: [],
      findings: [{ check: 'name', level: 'fail', message, ...(hint === undefined ? {} : { hint }) }],
    };
  }
  const list = listSome(addresses.map(({ address }) => address));
  const name: Finding = movedFinding(target, addresses, last) ?? {
    check: 'name',
    level: 'ok',
    message: addresses.length === 1 && list === target ? list : `${target} is ${list}`,
  };
  const errors = await Promise.all(addresses.map((address) => deps.network.routeError(address)));
  const routes = addresses.map(({ address, family }, at): Finding => {
    const code = errors[at];
    if (code === undefined) return { check: 'route', level: 'ok', message: `to ${address} (IPv${family})` };
    const isOnly = errors.every((each) => each !== undefined);
    const hint = isOnly
      ? 'is this machine connected?'
      : `knock-otp uses the other family by itself; -${family === 4 ? 6 : 4} selects it`;
    return {
      check: 'route',
      level: isOnly ? 'fail' : 'warn',
      message: `none to ${address} (IPv${family}): ${code}`,
      hint,
    };
  });
  return { addresses: addresses.filter((_, at) => errors[at] === undefined), findings: [name, ...routes] };
}

/**
 * Undefined when the name has the address of the last success, or no address of that family to compare (`-4`, `-6`).
 */
export function movedFinding(
  target: string,
  addresses: readonly Address[],
  last: LastSuccess | undefined,
): Finding | undefined {
  if (last === undefined || addresses.some(({ address }) => address === last.address)) return undefined;
  const family = isIPv6(last.address) ? 6 : 4;
  if (!addresses.some((each) => each.family === family)) return undefined;
  return {
    check: 'name',
    level: 'warn',
    message: `${target} is ${listSome(addresses.map(({ address }) => address))} now, and was ${last.address} at the last knock that worked`,
    hint: 'did the server move, or does the resolver of this network give false answers?',
  };
}

/**
 * Undefined when this machine's own address is in the same network as at the last success, or one of them is unknown.
 */
export async function networkFinding(
  name: string,
  server: Address | undefined,
  last: LastSuccess | undefined,
  deps: Deps,
): Promise<Finding | undefined> {
  if (server === undefined || last?.from === undefined) return undefined;
  const own = await deps.network.localAddress(server);
  if (own === undefined || isSameNetwork(own, last.from)) return undefined;
  return {
    check: 'network',
    level: 'warn',
    message: `this machine is ${own} now, and was ${last.from} at the last knock that worked`,
    hint: `this network may block high ports; to find out: knock-otp doctor ${name} --echo HOST`,
  };
}

/** Hosts change the lower half of an IPv6 address every day (RFC 8981). Addresses of two families are not compared. */
function isSameNetwork(own: string, before: string): boolean {
  if (isIPv6(own) !== isIPv6(before) || own === before) return true;
  if (!isIPv6(own)) return false;
  const network = new BlockList();
  network.addSubnet(before, 64, 'ipv6');
  return network.check(own, 'ipv6');
}

export async function doorFinding(port: number | undefined, address: Address, deps: Deps): Promise<Finding> {
  const check = 'door';
  if (port === undefined)
    return { check, level: 'ok', message: 'not tried: it opens no TCP port, or lets in only one connection' };
  const where = `${address.address} tcp/${port}`;
  const answer = await deps.network.tryPort(address, port, ANSWER_MS);
  switch (answer) {
    case 'open':
      return { check, level: 'ok', message: `${where} is open now` };
    case 'silent':
      return { check, level: 'ok', message: `${where} does not answer, as a closed door does` };
    case 'refused':
      return {
        check,
        level: 'warn',
        message: `${where} refuses connections`,
        hint: 'the door is open and no service listens, or a firewall rejects packets instead of dropping them',
      };
    default:
      return {
        check,
        level: 'fail',
        message: `${where}: ${UNREACHABLE}`,
        hint: 'is the address right, and is the server up?',
      };
  }
}

const UNREACHABLE = 'a router or firewall on the path reports it unreachable (ICMP)';

/** Tries a few of the ports that sequences can use, at the server. Each is a stray there and opens nothing. */
export async function portFinding(
  profile: PublicProfile,
  address: Address,
  ports: number,
  answerMs: number,
  deps: Deps,
): Promise<Finding> {
  const check = 'ports';
  const answers = await tryPorts(profile, address, ports, answerMs, deps);
  const portsThat = (answer: PortAnswer) => answers.filter((each) => each.answer === answer).map(({ port }) => port);
  const [blocked, reset, silent] = [portsThat('unreachable'), portsThat('refused'), portsThat('silent')];
  if (blocked.length > 0) {
    const message = `${blocked.length} of ${answers.length} high ports: ${UNREACHABLE}: ${listSome(blocked)}`;
    return {
      check,
      level: 'fail',
      message,
      hint: 'this network blocks them: try another network, or ask its administrator',
    };
  }
  if (reset.length > 0 && silent.length > 0) {
    const message = `${reset.length} of ${answers.length} high ports answer with a reset and the others do not: ${listSome(reset)}`;
    return {
      check,
      level: 'warn',
      message,
      hint: 'a middlebox of this network seems to block some ports: try another network',
    };
  }
  if (reset.length > 0)
    return { check, level: 'ok', message: 'high ports answer with a reset, so packets arrive there' };
  const message = `${answers.length} high ports do not answer, as expected; a filter that drops packets looks the same`;
  return { check, level: 'ok', message: `${message} (--echo HOST shows the difference)` };
}

/** The same on a host of the user's own, whose closed ports refuse. */
export async function echoFinding(host: string, profile: PublicProfile, deps: Deps): Promise<Finding> {
  const check = 'echo';
  let address: Address | undefined;
  try {
    [address] = await deps.network.resolve(host, 0);
  } catch (error) {
    if (!(error instanceof KnockError)) throw error;
    return { check, level: 'fail', message: error.message };
  }
  if (address === undefined) return { check, level: 'fail', message: `${host} has no address` };
  const answers = await tryPorts(profile, address, TRIED_PORTS, ANSWER_MS, deps);
  const answered = answers.filter(({ answer }) => answer === 'refused' || answer === 'open');
  const unanswered = answers
    .filter(({ answer }) => answer === 'silent' || answer === 'unreachable')
    .map(({ port }) => port);
  const count = `${answered.length} of ${answers.length} high ports`;
  if (unanswered.length === 0) return { check, level: 'ok', message: `${count} of ${host} answer` };
  return {
    check,
    level: 'fail',
    message: `${count} of ${host} answer, but not ${listSome(unanswered)}`,
    hint: `if no firewall of ${host} drops them, this network does: try another network`,
  };
}

async function tryPorts(
  profile: PublicProfile,
  address: Address,
  most: number,
  answerMs: number,
  deps: Deps,
): Promise<readonly { readonly port: number; readonly answer: PortAnswer }[]> {
  const allowed = allowedPorts(profile.range, profile.exclude);
  const ports = new Set<number>();
  while (ports.size < Math.min(most, allowed.length)) ports.add(allowed[randomInt(allowed.length)] ?? 0);
  return await Promise.all(
    [...ports].map(async (port) => ({ port, answer: await deps.network.tryPort(address, port, answerMs) })),
  );
}
