/**
 * The daemon's state as `knock-otpd status` shows it: the data, how it is made from the engine, and its text. Shows no
 * secret, no sequence and no unspent factor.
 */
import { formatAddress } from '../../shared/address.ts';
import { type CaptureMethod, type CaptureStatus, KEPT_RIGHTS } from '../capture/capture.ts';
import type { Engine } from '../core/engine.ts';
import type { Now } from '../core/grants.ts';
import type { ServiceStatus } from '../demand/running-service.ts';
import { describeService } from '../demand/service-text.ts';

export interface Status {
  readonly version: string;
  readonly pid: number;
  readonly server: string;
  /** Unix milliseconds. */
  readonly startedAt: number;
  /** True when every interface is listening and the guard stands. */
  readonly healthy: boolean;
  readonly guardStands: boolean;
  readonly clockTrusted: boolean;
  /** Of all interfaces: where the kernel chooses, they share one count of packets too. */
  readonly capture: CaptureMethod;
  readonly interfaces: readonly CaptureStatus[];
  readonly doors: readonly {
    readonly name: string;
    readonly mode: string;
    readonly clients: number;
    /** Absent where each written-down sequence has its own. */
    readonly maxStrays?: number;
    /** Unspent lines of a door with a file of sequences. */
    readonly linesLeft?: number;
    readonly openFor: number;
  }[];
  readonly clients: readonly {
    readonly name: string;
    readonly door: string;
    readonly lastUse?: number;
    readonly drift: number;
  }[];
  readonly grants: readonly {
    readonly door: string;
    readonly source: string;
    readonly client: string;
    readonly openedAt: number;
    readonly remainingSeconds: number;
  }[];
  /** Of doors that start a service; and of earlier ones, as long as their service runs. */
  readonly services: readonly ServiceStatus[];
  readonly counters: Readonly<Record<string, number>>;
  /** By reason. */
  readonly refusals: Readonly<Record<string, number>>;
}

export interface StatusParts {
  readonly version: string;
  readonly server: string;
  readonly startedAt: number;
  readonly guardStands: boolean;
  readonly capture: CaptureMethod;
  readonly interfaces: readonly CaptureStatus[];
  readonly counters: Readonly<Record<string, number>>;
  readonly refusals: Readonly<Record<string, number>>;
  readonly doors: readonly string[];
  readonly services: readonly ServiceStatus[];
}

export function describeStatus(engine: Engine, parts: StatusParts, now: Now): Status {
  const enrolments = engine.enrolments();
  const grants = engine.grants.all;
  const policies = parts.doors.flatMap((name) => engine.door(name) ?? []);
  return {
    version: parts.version,
    pid: process.pid,
    server: parts.server,
    startedAt: parts.startedAt,
    healthy:
      parts.guardStands && parts.interfaces.length > 0 && parts.interfaces.every(({ state }) => state === 'listening'),
    guardStands: parts.guardStands,
    clockTrusted: policies.every((policy) => engine.isClockTrusted(policy, now.wallMs)),
    capture: parts.capture,
    interfaces: parts.interfaces,
    doors: policies.map(({ name, mode, maxStrays }) => ({
      name,
      mode,
      clients: enrolments.filter(({ enrolment }) => enrolment.door === name).length,
      ...(mode === 'static' || mode === 'file' ? {} : { maxStrays }),
      ...(mode === 'file' ? { linesLeft: engine.linesLeft(name) } : {}),
      openFor: grants.filter(({ door }) => door === name).length,
    })),
    clients: enrolments.map(({ enrolment, state }) => ({
      name: enrolment.client,
      door: enrolment.door,
      drift: state.drift,
      ...(state.lastUse === undefined ? {} : { lastUse: state.lastUse }),
    })),
    grants: grants.map(({ door, source, client, openedAt, endsAtMs }) => ({
      door,
      source: formatAddress(source),
      client,
      openedAt,
      remainingSeconds: Math.max(0, Math.ceil((endsAtMs - now.monoMs) / 1000)),
    })),
    services: parts.services,
    counters: { ...engine.counters, ...parts.counters },
    refusals: parts.refusals,
  };
}

/** The status for people; `nowMs` is Unix milliseconds. */
export function formatStatus(status: Status, nowMs: number): string {
  const lines = [
    `knock-otpd ${status.version} (pid ${status.pid}) as ${status.server}, running for ${ago(nowMs - status.startedAt)}: ${status.healthy ? 'healthy' : 'NOT HEALTHY'}`,
  ];
  if (!status.guardStands) lines.push('guard      MISSING: doors may stand open to everyone');
  if (!status.clockTrusted)
    lines.push('clock      stands before a time already seen: totp doors refuse (knock-otpd accept-clock)');
  lines.push(`capture    ${formatMethod(status.capture)}`);
  for (const {
    interface: name,
    state,
    since,
    reason,
    received,
    dropped,
    restarts,
    lossesUnseen,
  } of status.interfaces) {
    const why = reason === undefined ? '' : `: ${reason}`;
    const unseen = lossesUnseen ? ', losses in the kernel not noticed' : '';
    lines.push(
      `interface  ${name} ${state} for ${ago(nowMs - since)}${why} (${received} packets, ${dropped} dropped${unseen}, ${restarts} restarts)`,
    );
  }
  const rights = status.interfaces.map(({ privileges = '' }) => privileges);
  for (const each of new Set(rights)) {
    if (each.startsWith(KEPT_RIGHTS)) lines.push(`rights     the capture process ${each}`);
  }
  for (const { name, mode, clients, maxStrays, linesLeft, openFor } of status.doors) {
    const rest =
      maxStrays !== undefined
        ? `${clients} clients, ${maxStrays < 0 ? 'SHUT: too many for the ports that listen' : `${maxStrays} strays allowed`}`
        : linesLeft === undefined
          ? 'one sequence for everyone'
          : `${linesLeft} sequences left${linesLeft === 0 ? ': SHUT' : ''}`;
    lines.push(`door       ${name} ${mode}, ${rest}, open for ${openFor}`);
  }
  for (const service of status.services) {
    lines.push(`service    ${service.door} ${describeService(service, nowMs)}`);
  }
  for (const { name, door, lastUse, drift } of status.clients) {
    const used = lastUse === undefined ? 'never used' : `last used ${ago(nowMs - lastUse)} ago`;
    lines.push(
      `client     ${name} at ${door}, ${used}${drift === 0 ? '' : `, drift ${drift > 0 ? '+' : ''}${drift} steps`}`,
    );
  }
  for (const { door, source, client, remainingSeconds } of status.grants) {
    lines.push(`grant      ${door} for ${source}${client === '' ? '' : ` (${client})`}, ${remainingSeconds} s left`);
  }
  lines.push(
    `counters   ${Object.entries(status.counters)
      .map(([name, value]) => `${name}=${value}`)
      .join(' ')}`,
  );
  return lines.join('\n');
}

function formatMethod({ kind, sees, reason, ports }: CaptureMethod): string {
  if (kind === 'listen') {
    return `listen, ${ports?.bound ?? 0} of ${ports?.wanted ?? 0} ports bound, live ones and decoys`;
  }
  if (kind === 'pcap') return 'pcap, every packet that could be a knock';
  return sees === 'live'
    ? 'kernel, packets of sources that touched a live port'
    : `kernel, every packet that could be a knock${reason === undefined ? '' : `: ${reason}`}`;
}

function ago(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} d`;
}
