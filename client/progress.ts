/**
 * The small line on a terminal while a knock takes longer than a blink. A good knock is over before it would appear, so
 * the library that draws it is loaded only when it is needed.
 */
import type { Ora } from 'ora';
import type { Talk } from './deps.ts';
import type { KnockEvent } from './knock.ts';

export interface Progress {
  update(event: KnockEvent): void;
  /** Removes the line. */
  stop(): void;
}

const SILENT: Progress = { update: () => undefined, stop: () => undefined };

/** Milliseconds without a line: a knock on a good path is done by then. */
const SHOW_AFTER_MS = 300;

export function startProgress(name: string, stderr: Talk): Progress {
  // A serial console may say that it has no columns: ora would divide by them, and never end to clear lines.
  if (stderr.isTTY !== true || stderr.columns === 0) return SILENT;
  let text = `knocking at ${name}`;
  let line: Ora | undefined;
  let stopped = false;
  const timer = setTimeout(async () => {
    const { default: ora } = await import('ora');
    if (stopped) return;
    // Standard input may be the connection of --proxy, and a killed process must leave the cursor visible.
    line = ora({ text, stream: stderr as NodeJS.WriteStream, discardStdin: false, hideCursor: false }).start();
  }, SHOW_AFTER_MS);
  return {
    update: (event) => {
      text = describe(name, event);
      if (line !== undefined) line.text = text;
    },
    stop: () => {
      stopped = true;
      clearTimeout(timer);
      line?.stop();
    },
  };
}

/** Without the sequence, which is for `-v`. */
function describe(name: string, event: KnockEvent): string {
  switch (event.kind) {
    case 'waiting':
      return `this time step is used, knocking at ${name} in ${Math.ceil(event.waitMs / 1000)} s`;
    case 'knocking':
      return `knocking at ${name} (${event.address.address})`;
    case 'sent':
      return `waiting for ${name} to open${event.pass === 0 ? '' : `, sent again ${event.pass} times`}`;
  }
}
