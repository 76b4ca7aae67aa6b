/** The report of `knock-otpd check` on a valid configuration, as data. `describe-check.ts` turns it into text. */
import { formatPortRanges } from '../../../shared/allowed-ports.ts';
import { formatProblem } from '../../../shared/errors.ts';
import { formatService } from '../../../shared/formats/profile-uri.ts';
import { ANY_PACKET, OPENING_PACKETS, type TcpFlagRule, tcpFlagBits } from '../../core/door.ts';
import { type DoorAction, hasAnyClose, opensOnce } from '../../firewall/firewall.ts';
import type { DerivedDoor, WrittenDoor } from '../config.ts';
import { enrolmentsAt, type LoadedServer } from '../load-server.ts';
import { doorBudget, staticPairs, writtenBudget } from '../stray-budget.ts';
import type { SequencesFile } from '../written-sequences.ts';
import { penaltyReport, scansReport } from './describe-defences.ts';
import { type ServiceReported, serviceReport } from './describe-service.ts';

/** The field names are a contract with scripts. */
export interface CheckReport {
  readonly file: string;
  readonly serverId: string;
  readonly interfaces: readonly string[];
  /** `auto`: kernel if available, otherwise pcap. */
  readonly capture: 'kernel' | 'pcap' | 'listen' | 'auto';
  readonly stateDir: string;
  readonly clientsDir: string;
  /** Absent without a scan_command. */
  readonly scans?: { readonly threshold: number; readonly neverBan: readonly string[] };
  readonly doors: readonly DoorReport[];
  readonly warnings: readonly string[];
}

export type DoorReport = DerivedDoorReport | WrittenDoorReport;

export interface DerivedDoorReport extends ServiceReported {
  readonly name: string;
  readonly otp: 'totp' | 'hotp';
  /** `nftables tcp/22`, `hosts.allow sshd`, or `command`: the command itself may contain secrets. */
  readonly opens: string;
  readonly seconds: number;
  readonly clients: readonly string[];
  readonly knocks: number;
  readonly order: 'any' | 'strict';
  readonly protocols: 'tcp' | 'udp' | 'both';
  readonly seqTimeout: number;
  readonly portRange: string;
  readonly excludePorts: string;
  readonly allowedPorts: number;
  /** With `capture = listen`: listening ports per time step. */
  readonly listenPorts?: number;
  readonly liveSequences: number;
  readonly entropyBits: number;
  readonly maxStrays: number;
  readonly contested: 'first' | 'refuse';
  /** Seconds; absent without a penalty. */
  readonly penalty?: number;
  /** log10 of the expected openings a day from 10^5 random packets a second; null when no client is enrolled. */
  readonly log10OpeningsPerDay: number | null;
  /**
   * With `bind = source` a sequence has a second part, as long as the first and bound to its source address. The figures
   * above then hold for an attacker who copies the first part and guesses the second; these, for one who sees neither.
   */
  readonly bind?: {
    readonly to: 'source';
    readonly blindEntropyBits: number;
    readonly blindLog10OpeningsPerDay: number | null;
  };
}

/** Never contains the sequence itself. */
export interface WrittenDoorReport extends ServiceReported {
  readonly name: string;
  readonly sequences: 'static' | 'file';
  readonly file?: string;
  /** Unspent lines of the file. */
  readonly left?: number;
  readonly opens: string;
  /** Null when nothing closes the door, because it has no stop command. */
  readonly seconds: number | null;
  readonly order: 'strict';
  readonly tcpFlags: string;
  readonly seqTimeout: number;
  /** Absent at a static door, where all sources share one sequence. */
  readonly contested?: 'first' | 'refuse';
  readonly penalty?: number;
  /** With a file: of its weakest line. Absent when no line is left. */
  readonly odds?: {
    readonly knocks: number;
    readonly liveSequences: number;
    readonly entropyBits: number;
    readonly maxStrays: number;
    readonly log10OpeningsPerDay: number;
  };
}

export function checkReport({ config, enrolments, files, warnings }: LoadedServer): CheckReport {
  return {
    file: config.file,
    serverId: config.serverId,
    interfaces: config.interfaces,
    capture: config.capture ?? 'auto',
    stateDir: config.stateDir,
    clientsDir: config.clientsDir,
    ...scansReport(config),
    doors: config.doors.map((door) =>
      door.kind === 'derived'
        ? derivedReport(
            door,
            enrolmentsAt(door.name, enrolments).map(({ client }) => client),
          )
        : writtenReport(door, files.get(door.name)),
    ),
    warnings: warnings.map((warning) => formatProblem(warning, config.file)),
  };
}

function derivedReport(door: DerivedDoor, clients: readonly string[]): DerivedDoorReport {
  const { policy, action } = door;
  const budget = doorBudget(door, clients.length);
  const log10 = budget.log10OpeningsPerDay;
  return {
    name: door.name,
    otp: policy.mode,
    opens: formatAction(action),
    ...serviceReport(door),
    seconds: policy.grantMs / 1000,
    clients,
    knocks: policy.shape.knocks,
    order: policy.order,
    protocols: policy.shape.protocols,
    seqTimeout: policy.seqTimeoutMs / 1000,
    portRange: formatPortRanges(door.range),
    excludePorts: formatPortRanges(door.exclude),
    allowedPorts: policy.shape.ports.length,
    ...(door.listenPorts === undefined ? {} : { listenPorts: door.listenPorts }),
    liveSequences: budget.liveSequences,
    entropyBits: rounded(budget.bits),
    maxStrays: budget.maxStrays,
    contested: policy.contested ?? 'first',
    ...penaltyReport(policy),
    log10OpeningsPerDay: finite(log10),
    ...(budget.blind === undefined
      ? {}
      : {
          bind: {
            to: 'source',
            blindEntropyBits: rounded(budget.blind.bits),
            blindLog10OpeningsPerDay: finite(budget.blind.log10OpeningsPerDay),
          },
        }),
  };
}

function writtenReport(door: WrittenDoor, file: SequencesFile | undefined): WrittenDoorReport {
  const { policy, action } = door;
  const sequence = door.kind === 'static' ? staticPairs(door) : file?.weakest;
  const budget = sequence === undefined ? undefined : writtenBudget(door, sequence);
  return {
    name: door.name,
    sequences: policy.mode,
    ...(door.kind === 'file' ? { file: door.file, left: file?.left ?? 0 } : {}),
    opens: formatAction(action),
    ...serviceReport(door),
    seconds: hasAnyClose(action) ? policy.grantMs / 1000 : null,
    order: 'strict',
    tcpFlags: formatFlags(policy.tcpFlags ?? OPENING_PACKETS),
    seqTimeout: policy.seqTimeoutMs / 1000,
    ...(policy.contested === undefined ? {} : { contested: policy.contested }),
    ...penaltyReport(policy),
    ...(sequence === undefined || budget === undefined
      ? {}
      : {
          odds: {
            knocks: sequence.length,
            liveSequences: budget.liveSequences,
            entropyBits: rounded(budget.bits),
            maxStrays: budget.maxStrays,
            log10OpeningsPerDay: rounded(budget.log10OpeningsPerDay),
          },
        }),
  };
}

function formatAction(action: DoorAction): string {
  if ('services' in action) {
    const once = opensOnce(action) ? ' once' : '';
    return `${action.kind} ${action.services.map(formatService).join(', ')}${once}`;
  }
  if (action.kind === 'command') return 'command';
  return [action.kind, action.service, ...(action.file === undefined ? [] : [action.file])].join(' ');
}

function formatFlags(rule: TcpFlagRule): string {
  if (rule.set === ANY_PACKET.set && rule.clear === ANY_PACKET.clear) return 'any';
  return [...tcpFlagBits]
    .flatMap(([name, bit]) => [
      ...((rule.set & bit) !== 0 ? [name] : []),
      ...((rule.clear & bit) !== 0 ? [`!${name}`] : []),
    ])
    .join(',');
}

function finite(log10: number): number | null {
  return Number.isFinite(log10) ? rounded(log10) : null;
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
