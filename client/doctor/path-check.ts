/**
 * What lies between here and the server. A hidden port answers nothing, and so does a filter on the way that drops: from
 * silence nobody can tell which. What can be seen is somebody who answers: a router that says no (ICMP), a middle-box
 * that resets some ports. And with a host of the user's own, whose closed ports refuse, silence means a filter.
 */
import { randomInt } from 'node:crypto';
import { BlockList, isIPv6 } from 'node:net';
import { allowedPorts } from '../../shared/allowed-ports.ts';
import { KnockError } from '../../shared/errors.ts';
import type { Address, Deps, PortAnswer } from '../deps.ts';
import type { LastSuccess } from '../factors/last-success.ts';
import type { PublicProfile } from '../profiles/public-profile.ts';
import { type Finding, listSome } from './finding.ts';

/** Enough to see a filter that lets a few through, and few enough to be no scan. */
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
      : `knock-otp takes the other one by itself; -${family === 4 ? 6 : 4} says so`;
    return {
      check: 'route',
      level: isOnly ? 'fail' : 'warn',
      message: `none to ${address} (IPv${family}): ${code}`,
      hint,
    };
  });
  return { addresses: addresses.filter((_, at) => errors[at] === undefined), findings: [name, ...routes] };
}

/** Undefined when the name is what it was at the last success, or nobody knows: `-4` says nothing of an IPv6 address. */
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

/** Undefined when this machine is where it was at the last success, as far as its own address tells. */
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
    hint: `another network may not let high ports out: knock-otp doctor ${name} --echo HOST tells`,
  };
}

/** Hosts change the lower half of an IPv6 address every day (RFC 8981). Of two families nothing can be said. */
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
    return { check, level: 'ok', message: 'has no TCP port that could be tried without using it up' };
  const where = `${address.address} tcp/${port}`;
  const answer = await deps.network.tryPort(address, port, ANSWER_MS);
  switch (answer) {
    case 'open':
      return { check, level: 'ok', message: `${where} is open now` };
    case 'silent':
      return { check, level: 'ok', message: `${where} answers nothing, as a closed door does` };
    case 'refused':
      return {
        check,
        level: 'warn',
        message: `${where} refuses connections`,
        hint: 'the door is open and no service listens, or a firewall rejects where it should drop',
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

const UNREACHABLE = 'somebody on the way says that it cannot be reached, or may not be (ICMP)';

/** A few of the ports that sequences are made of, at the server. Each is a stray there, and opens nothing. */
export async function portFinding(
  profile: PublicProfile,
  address: Address,
  ports: number,
  answerMs: number,
  deps: Deps,
): Promise<Finding> {
  const check = 'ports';
  const answers = await tried(profile, address, ports, answerMs, deps);
  const of = (answer: PortAnswer) => answers.filter((each) => each.answer === answer).map(({ port }) => port);
  const [barred, reset, silent] = [of('unreachable'), of('refused'), of('silent')];
  if (barred.length > 0) {
    const message = `${barred.length} of ${answers.length} high ports: ${UNREACHABLE}: ${listSome(barred)}`;
    return { check, level: 'fail', message, hint: 'this network bars them: try another one, or ask its administrator' };
  }
  if (reset.length > 0 && silent.length > 0) {
    const message = `${reset.length} of ${answers.length} high ports are reset and the others are not: ${listSome(reset)}`;
    return {
      check,
      level: 'warn',
      message,
      hint: 'a middle-box of this network seems to bar some: try another network',
    };
  }
  if (reset.length > 0)
    return { check, level: 'ok', message: 'high ports are answered with a reset, so packets get there' };
  const message = `${answers.length} high ports answer nothing, as they should; a filter that drops looks the same`;
  return { check, level: 'ok', message: `${message} (--echo HOST tells)` };
}

/** The same at a host of the user's own, whose closed ports refuse. */
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
  const answers = await tried(profile, address, TRIED_PORTS, ANSWER_MS, deps);
  const back = answers.filter(({ answer }) => answer === 'refused' || answer === 'open');
  const lost = answers.filter(({ answer }) => answer === 'silent' || answer === 'unreachable').map(({ port }) => port);
  const count = `${back.length} of ${answers.length} high ports`;
  if (lost.length === 0) return { check, level: 'ok', message: `${count} reach ${host} and are answered` };
  return {
    check,
    level: 'fail',
    message: `${count} are answered by ${host}, not ${listSome(lost)}`,
    hint: `if no firewall of ${host} drops them, this network does: try another one`,
  };
}

async function tried(
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
