/**
 * The progress line on a terminal while a knock takes noticeably long: which knock, what the client waits for, and a
 * bar that counts down to the next time step. Not drawn where standard error is no terminal; `-v` prints plain lines
 * instead.
 */
import { canDraw } from '../../shared/command-line/terminal.ts';
import type { TerminalStream } from '../deps.ts';
import { tidyBeforeSignal } from '../terminal/signal-cleanup.ts';
import type { KnockEvent } from './knock-events.ts';

export interface Progress {
  /** @param host when it differs from the name at the start */
  update(event: KnockEvent, host?: string): void;
  /** Removes the line. */
  stop(): void;
}

const SILENT: Progress = { update: () => undefined, stop: () => undefined };

/** Milliseconds before the line appears: a knock on a good path is done by then. */
const SHOW_AFTER_MS = 300;

/** Width of a terminal that does not report one; width of the bar. */
const USUAL_COLUMNS = 80;
const BAR_COLUMNS = 20;

/** On a narrower terminal the bar is left out to make room for the words. */
const COLUMNS_FOR_BAR = 50;

/** Moves to the first column and erases the line: understood by every terminal that is not `dumb`. */
const CLEAR = '\r\u001B[K';

export function startProgress(
  name: string,
  stderr: TerminalStream,
  env: Readonly<Record<string, string | undefined>>,
): Progress {
  // A serial console may report 0 columns.
  if (!canDraw(stderr, env) || stderr.columns === 0) return SILENT;
  let line = { text: `knocking at ${name}`, share: undefined as number | undefined };
  let longestMs = 0;
  let isShown = false;
  let isHidden = false;

  let stopCleanup = () => {};

  function draw(): void {
    // Otherwise the shell's prompt would follow the text on the same line.
    if (!isShown) stopCleanup = tidyBeforeSignal(() => stderr.write(CLEAR));
    isShown = true;
    stderr.write(`${CLEAR}${progressLine(line.text, line.share, stderr.columns ?? USUAL_COLUMNS)}`);
  }
  let timer = setTimeout(draw, SHOW_AFTER_MS);

  function hide(): void {
    clearTimeout(timer);
    stopCleanup();
    if (isShown) stderr.write(CLEAR);
    isShown = false;
    isHidden = true;
  }
  return {
    update: (event, host = name) => {
      // A passphrase prompt appears now: the line is hidden until the next event.
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

/** The most important words come first, because a narrow terminal cuts the rest. The sequence is shown only by `-v`. */
function describe(name: string, event: KnockEvent): string {
  switch (event.kind) {
    case 'unlocking':
      return `unlocking ${name}`;
    case 'sharing':
      return `waiting for another run that is knocking at ${name}`;
    case 'waiting':
      return `${Math.ceil(event.waitMs / 1000)} s until ${name} accepts the next knock: this time step is used`;
    case 'knocking':
      return `knocking at ${name} (${event.address.address}), factor ${event.factor}`;
    case 'looking':
      return `${name} did not open: looking for the reason`;
    case 'sent':
      return `verifying ${name}${event.pass === 0 ? '' : `, knock sent ${event.pass + 1} times`}`;
  }
}
