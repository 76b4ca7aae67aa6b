/**
 * `knock-otpd watch`: gets the daemon's status once a second and draws it on the alternate screen, until q or Ctrl-C.
 * If standard output is not a terminal that can move its cursor, prints one frame. Always restores the terminal at the
 * end.
 */
import type { ReadStream, WriteStream } from 'node:tty';
import { canColor, canDraw } from '../../shared/command-line/terminal.ts';
import { askDaemon } from '../control/control-client.ts';
import type { Status } from '../daemon/status.ts';
import { formatProblemOf } from '../log/error-text.ts';
import { type Earlier, renderFrame } from './status-frame.ts';

const PERIOD_MS = 1_000;
const USUAL = { columns: 80, rows: 24 };
const ENTER = '\u001b[?1049h\u001b[?25l';
const LEAVE = '\u001b[?25h\u001b[?1049l';
const HOME = '\u001b[H';
const TO_LINE_END = '\u001b[K';
const TO_SCREEN_END = '\u001b[J';

/** @throws KnockError CONTROL when no daemon answers at first */
export async function watch(stateDir: string, stdout: NodeJS.WritableStream, stdin: NodeJS.ReadStream): Promise<void> {
  const ask = async (): Promise<Status> => (await askDaemon(stateDir, 'status')) as Status;
  const first = await ask();
  if (!isTerminal(stdout)) {
    const size = { columns: Number.POSITIVE_INFINITY, rows: Number.POSITIVE_INFINITY, color: false };
    stdout.write(`${renderFrame(first, Date.now(), size).join('\n')}\n`);
    return;
  }
  const screen = new Screen(stdout, ask, first);
  const restore = () => stdout.write(LEAVE);
  // Also restores the terminal when an unexpected error ends the process.
  process.once('exit', restore);
  stdout.write(ENTER);
  try {
    await screen.run(stdin);
  } finally {
    process.off('exit', restore);
    restore();
  }
}

function isTerminal(stream: NodeJS.WritableStream): stream is WriteStream {
  return canDraw(stream as Partial<WriteStream>, process.env);
}

class Screen {
  readonly #stdout: WriteStream;
  readonly #ask: () => Promise<Status>;
  #status: Status;
  #statusAtMs = Date.now();
  #earlier: Earlier | undefined;
  #problem: string | undefined;
  #isAsking = false;

  constructor(stdout: WriteStream, ask: () => Promise<Status>, first: Status) {
    this.#stdout = stdout;
    this.#ask = ask;
    this.#status = first;
  }

  /** Resolves when the user quits, or at a signal. */
  async run(stdin: NodeJS.ReadStream): Promise<void> {
    const draw = () => this.#draw();
    const timer = setInterval(() => void this.#refresh(), PERIOD_MS);
    const isRaw = stdin.isTTY === true;
    this.#stdout.on('resize', draw);
    draw();
    try {
      await new Promise<void>((resolve) => {
        for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve());
        if (!isRaw) return;
        (stdin as ReadStream).setRawMode(true);
        stdin.resume().on('data', (keys: Buffer) => {
          // q, Ctrl-C, Ctrl-D
          if (keys.some((key) => key === 0x71 || key === 0x03 || key === 0x04)) resolve();
        });
        stdin.on('end', () => resolve());
      });
    } finally {
      clearInterval(timer);
      this.#stdout.off('resize', draw);
      if (isRaw) {
        (stdin as ReadStream).setRawMode(false);
        stdin.removeAllListeners('data').pause();
      }
    }
  }

  async #refresh(): Promise<void> {
    if (this.#isAsking) return;
    this.#isAsking = true;
    try {
      const next = await this.#ask();
      this.#earlier = { counters: this.#status.counters, atMs: this.#statusAtMs };
      this.#status = next;
      this.#statusAtMs = Date.now();
      this.#problem = undefined;
    } catch (error) {
      this.#problem = formatProblemOf(error);
    } finally {
      this.#isAsking = false;
    }
    this.#draw();
  }

  /** Overwrites the screen from its corner: no flicker, and no scrolling at a last line feed. */
  #draw(): void {
    // A serial console may report 0 columns. The last column stays free: some terminals lose its character when the
    // rest of the line is cleared after it.
    const columns = (this.#stdout.columns || USUAL.columns) - 1;
    const rows = this.#stdout.rows || USUAL.rows;
    const size = { columns, rows: rows - 1, color: canColor(this.#stdout, process.env) };
    const lines = renderFrame(this.#status, this.#statusAtMs, size, this.#earlier);
    const foot = this.#problem ?? 'q quits';
    const drawn = [...lines, foot.slice(0, columns)];
    this.#stdout.write(`${HOME}${drawn.map((line) => `${line}${TO_LINE_END}`).join('\r\n')}${TO_SCREEN_END}`);
  }
}
