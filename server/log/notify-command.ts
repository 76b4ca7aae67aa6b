/**
 * Runs the administrator's `notify_command` for log entries about openings, refusals and failures. Entries that the log
 * suppressed as too frequent cause no command. It delays neither packets nor doors: one command at a time, a short queue, a
 * limit per minute, and a count of what was left out.
 */
import { parseCommandLine, parseShellLine } from '../process/command-line.ts';
import { runCommand } from '../process/run-command.ts';
import { type LogEntry, type LogFields, splitMessage } from './log.ts';

export const notifyEvents = ['open', 'close', 'refuse', 'contested', 'exhausted', 'capture-down'] as const;
export type NotifyEvent = (typeof notifyEvents)[number];

export interface NotifyConfig {
  readonly command: string;
  readonly shell: boolean;
  readonly events: readonly NotifyEvent[];
}

/** The log's event names. */
const NAMES: ReadonlyMap<string, NotifyEvent> = new Map([
  ['opened', 'open'],
  ['extended', 'open'],
  ['closed', 'close'],
  ['refused', 'refuse'],
  ['contested', 'contested'],
  ['the one-time sequences are used up', 'exhausted'],
  ['deaf', 'capture-down'],
]);

export interface NotifierOptions extends NotifyConfig {
  /** Milliseconds; default 10,000. */
  readonly timeoutMs?: number;
  readonly perMinute?: number;
  readonly onFailure: (error: unknown) => void;
  /** Called at the end of a minute with the number of notifications left out. */
  readonly onSuppressed: (count: number) => void;
}

const DEFAULT_PER_MINUTE = 30;
const MAX_WAITING = 16;
const MINUTE_MS = 60_000;
const MAX_VALUE = 200;
/** The value for a field that an event does not have, so that later arguments keep their positions. */
const ABSENT = '-';

export class Notifier {
  readonly #options: NotifierOptions;
  readonly #waiting: (readonly string[])[] = [];
  #isRunning = false;
  #stopped = false;
  #inMinute = 0;
  #suppressed = 0;
  #minute: NodeJS.Timeout | undefined;

  constructor(options: NotifierOptions) {
    this.#options = options;
  }

  /** Queues a command and returns at once. */
  readonly tell = ({ message, fields }: Pick<LogEntry, 'message' | 'fields'>): void => {
    const { event, rest } = splitMessage(message);
    const name = NAMES.get(event);
    if (name === undefined || this.#stopped || !this.#options.events.includes(name)) return;
    this.#minute ??= setTimeout(() => this.#endMinute(), MINUTE_MS).unref();
    if (this.#inMinute >= (this.#options.perMinute ?? DEFAULT_PER_MINUTE) || this.#waiting.length >= MAX_WAITING) {
      this.#suppressed += 1;
      return;
    }
    this.#inMinute += 1;
    this.#waiting.push(argumentsOf(this.#options, valuesOf(name, rest, fields)));
    void this.#run();
  };

  /** Drops waiting commands; a running one ends within its timeout. */
  stop(): void {
    this.#stopped = true;
    this.#waiting.length = 0;
    clearTimeout(this.#minute);
    this.#endMinute();
  }

  async #run(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    for (let words = this.#waiting.shift(); words !== undefined; words = this.#waiting.shift()) {
      const [program = '', ...rest] = words;
      const timeoutMs = this.#options.timeoutMs ?? 10_000;
      await runCommand({ program, arguments: rest, environment: {}, timeoutMs }).catch(this.#options.onFailure);
    }
    this.#isRunning = false;
  }

  #endMinute(): void {
    this.#minute = undefined;
    this.#inMinute = 0;
    if (this.#suppressed > 0) this.#options.onSuppressed(this.#suppressed);
    this.#suppressed = 0;
  }
}

type Values = Readonly<Record<'EVENT' | 'DOOR' | 'IP' | 'CLIENT' | 'REASON', string>>;

function valuesOf(event: NotifyEvent, rest: string | undefined, fields: LogFields): Values {
  const text = (...candidates: (LogFields[string] | '')[]): string => {
    const found = candidates.find((candidate) => candidate !== undefined && candidate !== '');
    return found === undefined ? ABSENT : plainWord(String(found));
  };
  return {
    EVENT: event,
    DOOR: text(fields['door'], fields['interface']),
    IP: text(fields['source']),
    CLIENT: text(fields['client']),
    REASON: text(fields['reason'], rest),
  };
}

/** Makes a value one plain word: for a shell, a terminal, and as an argument that is not an option. */
function plainWord(value: string): string {
  return value
    .replaceAll(/[^A-Za-z0-9._:/@+,-]/g, '_')
    .replace(/^-/, '_')
    .slice(0, MAX_VALUE);
}

/** Puts the values in after the line was split, so that a value never becomes more arguments. */
function argumentsOf({ command, shell }: NotifyConfig, values: Values): readonly string[] {
  const { program, arguments: words } = shell ? parseShellLine(command) : parseCommandLine(command);
  const filled = words.map((word) =>
    word.replaceAll(/%(EVENT|DOOR|IP|CLIENT|REASON)%/g, (_, name: keyof Values) => values[name]),
  );
  return [program, ...filled];
}
