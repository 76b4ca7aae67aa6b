/**
 * `knock-otp HOST 7000 8000:udp 9000`, like knock(1), and `knock-otp HOST --one-time FILE`: sequences that are not
 * derived, so they need no profile. Always in order, each knock after the one before.
 */
import type { Socket } from 'node:net';
import { KnockError } from '../../shared/errors.ts';
import type { Knock } from '../../shared/knock.ts';
import { nothingSent, reachableAddresses } from '../address/reachable-addresses.ts';
import type { Address, Deps, ProbeSeen } from '../deps.ts';
import { attempt } from '../knock/attempt.ts';
import { partlySent, stayedClosed } from '../knock/failure-messages.ts';
import { describeEvent } from '../knock/knock-events.ts';
import { startProgress } from '../knock/progress-line.ts';
import { BLIND_RESEND_AFTER_MS, RESEND_AFTER_MS, STRICT_GAP_MS, TYPED_PATIENCE_MS } from '../knock/retry-times.ts';
import { print, say } from '../terminal/output.ts';
import { refuseInvalidHost } from '../terminal/typed-words.ts';
import type { KnockOptions, Way } from './knock-options.ts';

type TypedWay = Exclude<Way, { readonly kind: 'profile' }>;

interface TypedSequence {
  readonly knocks: readonly Knock[];
  readonly mayRepeat: boolean;
  /** Unspent lines of the file after this one. */
  readonly left?: number;
}

interface Result extends TypedSequence {
  readonly address: Address;
  readonly elapsedMs: number;
  readonly socket: Socket | undefined;
}

/** @throws KnockError unless the door is open, or all knocks are sent where nothing is verified */
export async function knockTypedSequence(
  host: string,
  way: TypedWay,
  options: KnockOptions,
  deps: Deps,
): Promise<void> {
  refuseInvalidHost(host);
  const proxyPort = way.kind === 'file' ? way.proxyPort : undefined;
  const verifyPort = proxyPort ?? (options.verify === false ? undefined : options.verify);
  let result: Result;
  try {
    result = await knockOnce(host, way, verifyPort, options, deps);
  } catch (error) {
    if (options.json === true && error instanceof KnockError) print(deps, JSON.stringify(asFailure(host, error)));
    throw error;
  }
  if (proxyPort !== undefined && result.socket !== undefined) {
    const { carryConnection } = await import('../ssh/carry-connection.ts');
    return await carryConnection(result.socket, deps);
  }
  result.socket?.destroy();
  print(
    deps,
    options.json === true ? JSON.stringify(asJson(host, verifyPort, result)) : asText(host, verifyPort, result),
  );
}

async function knockOnce(
  host: string,
  way: TypedWay,
  verifyPort: number | undefined,
  options: KnockOptions,
  deps: Deps,
): Promise<Result> {
  const startedMs = deps.clock.monotonicMs();
  const [address] = await reachableAddresses(host, way.family, host, deps.network);
  const sequence = await sequenceOf(way, deps);
  const resendAfterMs = verifyPort === undefined ? BLIND_RESEND_AFTER_MS : RESEND_AFTER_MS;
  const seen: ProbeSeen = { refused: 0, unreachable: 0 };
  const progress = options.verbose === true ? undefined : startProgress(host, deps.stderr, deps.env);
  const { report, socket } = await attempt(
    {
      address,
      knocks: sequence.knocks,
      order: 'strict',
      gapMs: options.delay ?? STRICT_GAP_MS,
      resendAfterMs: sequence.mayRepeat ? resendAfterMs : [],
      verifyPort,
      patienceMs: options.timeout === undefined ? TYPED_PATIENCE_MS : options.timeout * 1000,
    },
    deps,
    seen,
    (event) => {
      if (options.verbose === true) say(deps, describeEvent(event));
      progress?.update(event);
    },
  ).finally(() => progress?.stop());
  const elapsedMs = deps.clock.monotonicMs() - startedMs;
  if (socket !== undefined || (verifyPort === undefined && report.failures.length === 0)) {
    return { ...sequence, address, elapsedMs, socket };
  }
  if (report.sent === 0) throw nothingSent(host, [address], report.failures);
  if (report.failures.length > 0) throw partlySent(host, address, report.failures, sequence.knocks.length);
  throw stayedClosed(host, address, verifyPort ?? 0, elapsedMs, seen, ADVICE[way.kind]);
}

/** When this resolves, a line of a file is struck out for ever. */
async function sequenceOf(way: TypedWay, deps: Deps): Promise<TypedSequence> {
  // For a repeated sequence, knockd runs its command again and closes the door early.
  if (way.kind === 'ports') return { knocks: way.knocks, mayRepeat: false };
  const { takeSequence } = await import('../factors/one-time-line.ts');
  return await takeSequence(way.path, deps);
}

const ADVICE: Readonly<Record<TypedWay['kind'], string>> = {
  ports: 'check the ports and their order, and that this network lets packets to them out',
  file:
    'check that the server continues from the same line (look_ahead covers lines whose knocks were lost), and that this ' +
    'network lets packets to these ports out',
};

function asText(host: string, verifyPort: number | undefined, { address, knocks }: Result): string {
  if (verifyPort !== undefined) return `open: ${host} (${address.address}), tcp/${verifyPort}`;
  return `sent to ${host} (${address.address}), ${knocks.length} ${knocks.length === 1 ? 'knock' : 'knocks'}, not verified`;
}

function asJson(host: string, verifyPort: number | undefined, result: Result): unknown {
  const { address, knocks, left, elapsedMs } = result;
  return {
    host,
    ok: true,
    verified: verifyPort !== undefined,
    ...(verifyPort === undefined ? {} : { service: `tcp/${verifyPort}` }),
    address: address.address,
    family: address.family,
    knocks: knocks.length,
    ...(left === undefined ? {} : { left }),
    elapsedMs: Math.round(elapsedMs),
    errors: [],
  };
}

function asFailure(host: string, { code, message, hint }: KnockError): unknown {
  return { host, ok: false, errors: [{ code, message, ...(hint === undefined ? {} : { hint }) }] };
}
