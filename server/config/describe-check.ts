/** What `knock-otpd check` says of a sound configuration: per door, how it opens, for whom, and how safe that is. */
import { formatPortRanges } from '../../shared/allowed-ports.ts';
import { formatProblem } from '../../shared/errors.ts';
import { ASSUMED_RANDOM_PACKETS_PER_SECOND } from '../../shared/odds.ts';
import { formatService } from '../../shared/profile-uri.ts';
import { ANY_PACKET, OPENING_PACKETS, type TcpFlagRule, tcpFlagBits } from '../core/door.ts';
import { type DoorAction, hasAnyClose, opensOnce } from '../firewall/firewall.ts';
import type { ConfiguredDoor, DerivedDoor, WrittenDoor } from './config.ts';
import { penaltyLine, penaltyReport, scansLine, scansReport } from './describe-defences.ts';
import { type ServiceReported, serviceLine, serviceReport } from './describe-service.ts';
import { enrolmentsAt, type LoadedServer } from './load-server.ts';
import { doorBudget, staticPairs, writtenBudget } from './stray-budget.ts';
import type { SequencesFile } from './written-sequences.ts';

/** The report as data; the field names are a contract with scripts. */
export interface CheckReport {
  readonly file: string;
  readonly serverId: string;
  readonly interfaces: readonly string[];
  /** `auto`: the kernel where it can. */
  readonly capture: 'kernel' | 'pcap' | 'auto';
  readonly stateDir: string;
  readonly clientsDir: string;
  /** Absent where nobody is told of scans. */
  readonly scans?: { readonly threshold: number; readonly neverBan: readonly string[] };
  readonly doors: readonly DoorReport[];
  readonly warnings: readonly string[];
}

export type DoorReport = DerivedDoorReport | WrittenDoorReport;

export interface DerivedDoorReport extends ServiceReported {
  readonly name: string;
  readonly otp: 'totp' | 'hotp';
  /** `nftables tcp/22`, `hosts.allow sshd`, or `command`: the command itself may hold what is not for every eye. */
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
  readonly liveSequences: number;
  readonly entropyBits: number;
  readonly maxStrays: number;
  readonly contested: 'first' | 'refuse';
  /** Seconds; absent where there is none. */
  readonly penalty?: number;
  /** log10 of the openings a day that 10^5 random packets a second may expect; null when nobody may knock. */
  readonly log10OpeningsPerDay: number | null;
  /**
   * A knock has a second part as long as the first, bound to its source. What is said above is then about one who copies
   * the first part and has to guess the second, and this about one who sees neither.
   */
  readonly bind?: {
    readonly to: 'source';
    readonly blindEntropyBits: number;
    readonly blindLog10OpeningsPerDay: number | null;
  };
}

/** The sequence itself is in no report. */
export interface WrittenDoorReport extends ServiceReported {
  readonly name: string;
  readonly sequences: 'static' | 'file';
  readonly file?: string;
  /** Unspent lines of the file. */
  readonly left?: number;
  readonly opens: string;
  /** Null where nothing closes the door: it has no stop command. */
  readonly seconds: number | null;
  readonly order: 'strict';
  readonly tcpFlags: string;
  readonly seqTimeout: number;
  /** Absent where one sequence is for everyone. */
  readonly contested?: 'first' | 'refuse';
  readonly penalty?: number;
  /** Of the weakest line where there is a file; absent when none is left. */
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

/** Lines for standard output, without a line break at the end. */
export function describeCheck(loaded: LoadedServer): string {
  const report = checkReport(loaded);
  const clients = new Set(loaded.enrolments.map(({ client }) => client));
  const head = [
    `${report.file}: ${count(report.doors.length, 'door')}, ${count(clients.size, 'client')}`,
    ...columns([
      ['server id', report.serverId],
      ['interface', report.interfaces.join(', ')],
      ['capture', report.capture === 'auto' ? 'kernel where it can, else pcap' : report.capture],
      ['state', report.stateDir],
      ['clients', report.clientsDir],
      ...scansLine(report),
    ]),
  ];
  const doors = loaded.config.doors.flatMap((door, at) => {
    const found = report.doors[at];
    return found === undefined ? [] : ['', `[${found.name}]`, ...columns(linesOf(found, door))];
  });
  const warnings = report.warnings.map((warning) => `warning: ${warning}`);
  return [...head, ...doors, ...(warnings.length > 0 ? ['', ...warnings] : [])].join('\n');
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

function formatSource({ sequences, left, file }: WrittenDoorReport): string {
  if (sequences === 'static') return 'one, the same at every knock';
  return left === 0 ? `none to use in ${file}: the door stays shut` : `${left} left in ${file}, one a knock`;
}

function linesOf(report: DoorReport, door: ConfiguredDoor): [string, string][] {
  if ('otp' in report) return door.kind === 'derived' ? derivedLines(report, door) : [];
  const { odds, seqTimeout, seconds, tcpFlags } = report;
  const source = formatSource(report);
  const packets = tcpFlags === 'any' ? 'any TCP packet' : `TCP flags ${tcpFlags}`;
  const head: [string, string][] = [
    ['opens', `${report.opens}, ${seconds === null ? 'and nothing closes it' : `for ${seconds} s`}`],
    ...serviceLine(report),
    ['sequence', source],
  ];
  if (odds === undefined) return head;
  const which = report.sequences === 'file' ? ' in the weakest line' : '';
  return [
    ...head,
    ['knocks', `${odds.knocks}${which} (${packets}, ${report.order} order, within ${seqTimeout} s)`],
    ['entropy', `${odds.entropyBits.toFixed(1)} bits at most, ${count(odds.liveSequences, 'live sequence')}`],
    ['strays', `${odds.maxStrays} forgiven within a knock`],
    ...contestedLine(report.contested),
    ...penaltyLine(report),
    ['odds', formatOdds(odds.log10OpeningsPerDay)],
  ];
}

function derivedLines(report: DerivedDoorReport, { policy }: DerivedDoor): [string, string][] {
  const accepted =
    report.otp === 'totp'
      ? `totp, steps of ${policy.stepSeconds} s, window ${policy.window}`
      : `hotp, look-ahead ${policy.lookAhead}`;
  const protocols = report.protocols === 'both' ? 'tcp and udp' : report.protocols;
  const binding = report.bind;
  const excluded = report.excludePorts === '' ? '' : ` without ${report.excludePorts}`;
  return [
    ['opens', `${report.opens}, for ${report.seconds} s`],
    ...serviceLine(report),
    ['otp', accepted],
    ['clients', report.clients.length === 0 ? 'none' : report.clients.join(', ')],
    [
      'knocks',
      `${binding === undefined ? report.knocks : `${report.knocks} and ${report.knocks} bound to the source`} (${protocols}, ${report.order} order, within ${report.seqTimeout} s)`,
    ],
    ['ports', `${report.allowedPorts} of ${report.portRange}${excluded}`],
    ['entropy', `${report.entropyBits.toFixed(1)} bits, ${count(report.liveSequences, 'live sequence')} at most`],
    ['strays', `${report.maxStrays} forgiven within a knock`],
    ...contestedLine(report.contested),
    ...penaltyLine(report),
    ...(binding === undefined
      ? [['odds', formatOdds(report.log10OpeningsPerDay)] as [string, string]]
      : ([
          ['odds', `${formatOdds(binding.blindLog10OpeningsPerDay)}, ${binding.blindEntropyBits.toFixed(1)} bits`],
          ['racer', `who copies the first part: ${formatOdds(report.log10OpeningsPerDay)}`],
        ] as [string, string][])),
  ];
}

/** Said where it is not the default. */
function contestedLine(contested: 'first' | 'refuse' | undefined): [string, string][] {
  return contested === 'refuse' ? [['contested', 'a sequence that two sources know opens for nobody']] : [];
}

/** Chances below one in a billion say more as a power of ten. */
function formatOdds(log10: number | null): string {
  if (log10 === null) return 'nobody can open it';
  const rate = `a day, at 10^${Math.log10(ASSUMED_RANDOM_PACKETS_PER_SECOND)} random packets/s`;
  if (log10 >= 0) return `${grouped(10 ** log10)} random openings ${rate}`;
  if (log10 > -9) return `a random opening: 1 in ${grouped(10 ** -log10)} ${rate}`;
  return `a random opening: 10^${log10.toFixed(1)} ${rate}`;
}

/** Three digits that count, and the thousands apart. */
function grouped(value: number): string {
  return Number(value.toPrecision(3)).toLocaleString('en-US');
}

function finite(log10: number): number | null {
  return Number.isFinite(log10) ? rounded(log10) : null;
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

function columns(rows: readonly (readonly [string, string])[]): string[] {
  return rows.map(([name, value]) => `  ${name.padEnd(9)}  ${value}`);
}
