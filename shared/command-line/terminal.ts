/** What a stream can show. Both programs ask here, so that one answer holds for every view. */

/** What is looked at of a stream of Node's. */
export interface MaybeTerminal {
  readonly isTTY?: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Whether the cursor may be moved: a terminal, and none of the kind that prints every byte. */
export function canDraw(stream: MaybeTerminal, env: Environment): boolean {
  return stream.isTTY === true && env['TERM'] !== 'dumb';
}

/** Whether there may be colours: where the cursor may be moved, and nobody has set NO_COLOR (https://no-color.org). */
export function canColor(stream: MaybeTerminal, env: Environment): boolean {
  return canDraw(stream, env) && (env['NO_COLOR'] ?? '') === '';
}
