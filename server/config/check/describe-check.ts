/** The text of `knock-otpd check`: how each door opens, for which clients, and with what odds for random packets. */
import { ASSUMED_RANDOM_PACKETS_PER_SECOND } from '../../../shared/odds.ts';
import type { ConfiguredDoor, DerivedDoor } from '../config.ts';
import type { LoadedServer } from '../load-server.ts';
import { checkReport, type DerivedDoorReport, type DoorReport, type WrittenDoorReport } from './check-report.ts';
import { penaltyLine, scansLine } from './describe-defences.ts';
import { serviceLine } from './describe-service.ts';

/** Lines for standard output, without a line break at the end. */
export function describeCheck(loaded: LoadedServer): string {
  const report = checkReport(loaded);
  const clients = new Set(loaded.enrolments.map(({ client }) => client));
  const head = [
    `${report.file}: ${count(report.doors.length, 'door')}, ${count(clients.size, 'client')}`,
    ...columns([
      ['server id', report.serverId],
      ['interface', report.interfaces.join(', ')],
      ['capture', report.capture === 'auto' ? 'kernel if available, else pcap' : report.capture],
      ['state', report.stateDir],
      ['clients', report.clientsDir],
      ...scansLine(report),
    ]),
  ];
  const doors = loaded.config.doors.flatMap((door, at) => {
    const doorReport = report.doors[at];
    return doorReport === undefined ? [] : ['', `[${doorReport.name}]`, ...columns(linesOf(doorReport, door))];
  });
  const warnings = report.warnings.map((warning) => `warning: ${warning}`);
  return [...head, ...doors, ...(warnings.length > 0 ? ['', ...warnings] : [])].join('\n');
}

function formatSource({ sequences, left, file }: WrittenDoorReport): string {
  if (sequences === 'static') return 'one, the same every time';
  return left === 0 ? `no unspent line in ${file}: the door stays shut` : `${left} left in ${file}, each opens once`;
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
    ...(report.listenPorts === undefined
      ? []
      : [['listens', `${report.listenPorts} ports for each time step, live ones and decoys`] as [string, string]]),
    ['entropy', `${report.entropyBits.toFixed(1)} bits, ${count(report.liveSequences, 'live sequence')} at most`],
    ['strays', `${report.maxStrays} forgiven within a knock`],
    ...contestedLine(report.contested),
    ...penaltyLine(report),
    ...(binding === undefined
      ? [['odds', formatOdds(report.log10OpeningsPerDay, report.listenPorts !== undefined)] as [string, string]]
      : ([
          ['odds', `${formatOdds(binding.blindLog10OpeningsPerDay)}, ${binding.blindEntropyBits.toFixed(1)} bits`],
          ['racer', `knows the first part: ${formatOdds(report.log10OpeningsPerDay)}`],
        ] as [string, string][])),
  ];
}

/** Only if it is not the default. */
function contestedLine(contested: 'first' | 'refuse' | undefined): [string, string][] {
  return contested === 'refuse' ? [['contested', 'a sequence that two sources know opens for neither']] : [];
}

/** Chances below one in a billion are powers of ten. */
function formatOdds(log10: number | null, listens = false): string {
  if (log10 === null) return 'no client can open it';
  const packets = listens ? 'packets/s to ports that listen' : 'random packets/s';
  const rate = `a day, at 10^${Math.log10(ASSUMED_RANDOM_PACKETS_PER_SECOND)} ${packets}`;
  if (log10 >= 0) return `${grouped(10 ** log10)} random openings ${rate}`;
  if (log10 > -9) return `a random opening: 1 in ${grouped(10 ** -log10)} ${rate}`;
  return `a random opening: 10^${log10.toFixed(1)} ${rate}`;
}

/** Three significant digits, with thousands separators. */
function grouped(value: number): string {
  return Number(value.toPrecision(3)).toLocaleString('en-US');
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

function columns(rows: readonly (readonly [string, string])[]): string[] {
  return rows.map(([name, value]) => `  ${name.padEnd(9)}  ${value}`);
}
