/** The text of an explanation: one line for a packet or for a run of similar packets, and the summary. */
import type { ExplainedPacket } from './explain-capture.ts';
import type { DoorSum, Summary } from './summary.ts';
import type { TracedKnock, TracedOutcome } from './trace.ts';

export interface Wording {
  /** `would open` for a file, `opens` for the daemon. */
  readonly opens: string;
  /** Seconds of a grant; undefined if nothing closes the door. */
  readonly secondsOf: (door: string) => number | undefined;
  /** Doors that start a service. */
  readonly serving?: ReadonlySet<string>;
}

interface Run {
  readonly kind: string;
  readonly first: ExplainedPacket;
  last: ExplainedPacket;
  count: number;
  /** The lines of the first packets. */
  readonly lines: string[];
}

/** A longer run of similar packets becomes one line. */
const MAX_SEPARATE = 3;
const STRAY = 'stray, or a first knock';

/** Prints packets as lines. A run of strays of one source, as in a sweep, becomes one line. */
export class PacketLines {
  readonly #print: (line: string) => void;
  readonly #wording: Wording;
  #run: Run | undefined;

  constructor(print: (line: string) => void, wording: Wording) {
    this.#print = print;
    this.#wording = wording;
  }

  add(packet: ExplainedPacket): void {
    const kind = kindOf(packet);
    if (kind === undefined || kind !== this.#run?.kind) this.flush();
    if (kind === undefined) {
      this.#print(describePacket(packet, this.#wording));
      return;
    }
    this.#run ??= { kind, first: packet, last: packet, count: 0, lines: [] };
    this.#run.count += 1;
    this.#run.last = packet;
    if (this.#run.lines.length < MAX_SEPARATE) this.#run.lines.push(describePacket(packet, this.#wording));
  }

  /** Prints the current run, which waited for similar packets. */
  flush(): void {
    if (this.#run === undefined) return;
    const { first, last, count: length, lines } = this.#run;
    this.#run = undefined;
    if (length <= MAX_SEPARATE) for (const line of lines) this.#print(line);
    else {
      const from = first.source === undefined ? '' : `  ${first.source}`;
      const what = first.ignored === undefined ? STRAY : `no knock: ${first.ignored}`;
      this.#print(`#${first.number} to #${last.number}  ${timeOf(first)}${from}  ${length} packets, each: ${what}`);
    }
  }
}

/** Packets of the same kind form a run; undefined for a packet with its own line. */
function kindOf(packet: ExplainedPacket): string | undefined {
  if (packet.ignored !== undefined) return `${packet.source ?? ''} ${packet.ignored}`;
  return 'knocks' in packet && packet.knocks.length === 0 && packet.outcomes.length === 0 ? packet.source : undefined;
}

export function describePacket(packet: ExplainedPacket, wording: Wording): string {
  const head = `#${packet.number}  ${timeOf(packet)}`;
  if (!('knocks' in packet)) {
    const ends = packet.source === undefined ? '' : `  ${packet.source} to ${packet.destination}`;
    return `${head}${ends}  no knock: ${packet.ignored}`;
  }
  const { source, destination, protocol, port, knocks, outcomes, ignored } = packet;
  if (ignored !== undefined) return `${head}  ${source} to ${destination}  ${protocol}/${port}  no knock: ${ignored}`;
  const knockTexts = knocks.map((knock) => describeKnock(knock, outcomes, wording));
  // A sequence of one knock has an outcome, but no traced knock before it.
  const otherOutcomes = outcomes
    .filter((outcome) => !knocks.some((knock) => isOf(outcome, knock)))
    .map((outcome) => `${doorWords(outcome)}: ${describeOutcome(outcome, wording)}`);
  return `${head}  ${source}  ${protocol}/${port}  ${[...knockTexts, ...otherOutcomes].join('; ') || STRAY}`;
}

function isOf(outcome: TracedOutcome, { door, client, knock, of }: TracedKnock): boolean {
  return outcome.door === door && outcome.client === client && knock === of;
}

function describeKnock(knock: TracedKnock, outcomes: readonly TracedOutcome[], wording: Wording): string {
  const used = knock.spent ? ' of a used sequence' : '';
  const which = knock.knock === 0 ? `a knock${used}` : `knock ${knock.knock} of ${knock.of}${used}`;
  const strays = knock.strays > 0 ? `, ${knock.strays} of ${knock.maxStrays} strays` : '';
  const after = knock.knock > 1 ? ` (${knock.seconds} s after the first${strays})` : '';
  const outcome = outcomes.find((each) => isOf(each, knock));
  const end = outcome === undefined ? '' : `: ${describeOutcome(outcome, wording)}`;
  const lost = knock.lost === undefined ? '' : `; ${lostWords(knock)}`;
  return `${which} at ${doorWords(knock)}${after}${end}${lost}`;
}

function lostWords({ lost, seqTimeout, maxStrays }: TracedKnock): string {
  switch (lost) {
    case 'slow':
      return `too slow: the earlier knocks are older than seq_timeout, ${seqTimeout} s`;
    case 'strays':
      return `too many strays: more than ${maxStrays} since the earlier knocks`;
    default:
      return 'out of order: it does not follow the knocks before it';
  }
}

const REASONS: Readonly<Record<string, string>> = {
  replay: 'replay: this sequence, or a later one, is spent',
  contested: 'contested: another source has shown that it knows this sequence',
  penalty: 'penalty: this source is ignored after a wrong combination',
  'outside-window': 'outside-window: this sequence is not valid at this time',
  'clock-back': 'clock-back: the clock stands before a time already seen',
};

function describeOutcome({ door, opens, reason }: TracedOutcome, wording: Wording): string {
  if (!opens) return reason === undefined ? 'refused' : `refused, ${REASONS[reason] ?? reason}`;
  const seconds = wording.secondsOf(door);
  const service = wording.serving?.has(door) ? ', and starts its service if it does not run' : '';
  return `${wording.opens}${seconds === undefined ? '' : ` for ${seconds} s`}${service}`;
}

function doorWords({ door, client }: { readonly door: string; readonly client: string }): string {
  return client === '' ? `door ${door}` : `door ${door}, client ${client}`;
}

function timeOf({ time }: ExplainedPacket): string {
  return time.slice(11, 23);
}

export function describeSummary(summary: Summary, { opens }: Wording): readonly string[] {
  const lines = [`${count(summary.packets, 'packet')}, ${summary.counted} counted, ${opens} ${times(summary.opened)}`];
  for (const { source, counted, doors } of summary.sources) {
    const nothing = doors.length === 0 ? ', none of them follows another knock' : '';
    lines.push(`  ${source}: ${counted} counted${nothing}`);
    for (const door of doors) lines.push(`    ${doorWords(door)}: ${doorSum(door, opens)}`);
  }
  if (summary.moreSources > 0) lines.push(`  packets of further sources: ${summary.moreSources}`);
  for (const [reason, packets] of Object.entries(summary.ignored)) lines.push(`  no knock: ${reason}: ${packets}`);
  return lines;
}

function doorSum({ best, of, opened, refused, lost }: DoorSum, word: string): string {
  const parts = [
    ...(opened > 0 ? [`${word} ${times(opened)}`] : []),
    ...Object.entries(refused).map(([reason, number]) => `refused ${times(number)} (${reason})`),
  ];
  if (parts.length === 0) {
    const why = { slow: 'too slow', strays: 'too many strays', order: 'out of order' };
    parts.push(
      `at most ${best} of ${of} knocks together, ${lost === undefined ? 'the others did not arrive' : why[lost]}`,
    );
  }
  return parts.join(', ');
}

function times(number: number): string {
  return number === 0 ? 'never' : number === 1 ? 'once' : `${number} times`;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
