/**
 * The small line on a terminal while a knock takes longer than a blink: which knock, what is waited for, and a bar that
 * counts down to the next time step. Nothing of it where standard error is no terminal; `-v` says it in plain lines.
 */
import { canDraw } from '../../shared/command-line/terminal.ts';
import type { TerminalStream } from '../deps.ts';
import { tidyBeforeSignal } from '../terminal/signal-cleanup.ts';
import type { KnockEvent } from './knock-events.ts';

export interface Progress {
  /** @param host when it is another one than the line began with */
  update(event: KnockEvent, host?: string): void;
  /** Removes the line. */
  stop(): void;
}

const SILENT: Progress = { update: () => undefined, stop: () => undefined };

/** Milliseconds without a line: a knock on a good path is done by then. */
const SHOW_AFTER_MS = 300;

/** Columns where the terminal does not tell, and of the bar at most. */
const USUAL_COLUMNS = 80;
const BAR_COLUMNS = 20;

/** A bar takes room from the words; below this it is left out. */
const COLUMNS_FOR_BAR = 50;

/** Back to the first column, and nothing behind the cursor: understood by every terminal that is not `dumb`. */
const CLEAR = '\r\u001B[K';

export function startProgress(
  name: string,
  stderr: TerminalStream,
  env: Readonly<Record<string, string | undefined>>,
): Progress {
  // A serial console may say that it has no columns.
  if (!canDraw(stderr, env) || stderr.columns === 0) return SILENT;
  let line = { text: `knocking at ${name}`, share: undefined as number | undefined };
  let longestMs = 0;
  let isShown = false;
  let isHidden = false;

  let takeBack = () => {};

  function draw(): void {
    // A shell's prompt comes into the same line.
    if (!isShown) takeBack = tidyBeforeSignal(() => stderr.write(CLEAR));
    isShown = true;
    stderr.write(`${CLEAR}${progressLine(line.text, line.share, stderr.columns ?? USUAL_COLUMNS)}`);
  }
  let timer = setTimeout(draw, SHOW_AFTER_MS);

  function hide(): void {
    clearTimeout(timer);
    takeBack();
    if (isShown) stderr.write(CLEAR);
    isShown = false;
    isHidden = true;
  }
  return {
    update: (event, host = name) => {
      // A question is asked at the terminal now: the line is away until there is news.
      if (event.kind === 'unlocking') return hide();
      if (event.kind === 'waiting') longestMs = Math.max(longestMs, event.waitMs);
      else longestMs = 0;
      line = { text: describe(host, event), share: event.kind === 'waiting' ? event.waitMs / longestMs : undefined };
      if (isShown) draw();
      else if (isHidden) timer = setTimeout(draw, SHOW_AFTER_MS);
      isHidden = false;
    },
    stop: hide,
  };
}

/**
 * One line that never wraps: a wrapped one could not be removed again. No colours, so there are none to switch off.
 * @param share of the wait that is left, 0 to 1
 */
export function progressLine(text: string, share: number | undefined, columns: number): string {
  // The last column stays free: some terminals wrap when it is written.
  const room = Math.max(0, columns - 1);
  if (share === undefined || columns < COLUMNS_FOR_BAR) return cut(text, room);
  const filled = Math.round(share * BAR_COLUMNS);
  return cut(`[${'#'.repeat(filled)}${'.'.repeat(BAR_COLUMNS - filled)}] ${text}`, room);
}

function cut(text: string, room: number): string {
  return text.length <= room ? text : text.slice(0, room);
}

/** What has to be read first comes first: a narrow terminal shows only that. Without the sequence, which is for `-v`. */
function describe(name: string, event: KnockEvent): string {
  switch (event.kind) {
    case 'unlocking':
      return `unlocking ${name}`;
    case 'sharing':
      return `waiting for another run that knocks at ${name}`;
    case 'waiting':
      return `${Math.ceil(event.waitMs / 1000)} s until ${name} takes the next knock: this time step is used`;
    case 'knocking':
      return `knocking at ${name} (${event.address.address}), factor ${event.factor}`;
    case 'looking':
      return `${name} did not open: looking for the reason`;
    case 'sent':
      return `verifying ${name}${event.pass === 0 ? '' : `, knock sent ${event.pass + 1} times`}`;
  }
}
