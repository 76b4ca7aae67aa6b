/**
 * What a stream can display: cursor movement and colours. Both programs use it, so that every view decides the same
 * way.
 */

/** The part of a Node stream that is used here. */
export interface MaybeTerminal {
  readonly isTTY?: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Whether the program may move the cursor: on a terminal, except one that prints every byte (`TERM=dumb`). */
export function canDraw(stream: MaybeTerminal, env: Environment): boolean {
  return stream.isTTY === true && env['TERM'] !== 'dumb';
}

/** Whether the program may use colours: if it may move the cursor and NO_COLOR is not set (https://no-color.org). */
export function canColor(stream: MaybeTerminal, env: Environment): boolean {
  return canDraw(stream, env) && (env['NO_COLOR'] ?? '') === '';
}
