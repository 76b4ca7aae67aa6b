/** Runs programs on a pseudo-terminal of script(1), with the size and type that a test sets. */
import { spawnSync } from 'node:child_process';
import type { NetworkHost } from '../../../scripts/lab/namespaces.ts';
import { type Finished, run } from '../../../scripts/lab/running-process.ts';
import { quoted } from '../../../shared/command-line/grammar.ts';

/** Why there is no pseudo-terminal here, or false. */
export function skipWithoutTerminal(): string | false {
  return spawnSync('script', ['--version']).status === 0 ? false : 'no script(1) of util-linux here';
}

export interface Terminal {
  readonly columns: number;
  readonly rows?: number;
  /** By default `xterm`, without NO_COLOR. */
  readonly env?: Readonly<Record<string, string>>;
  /** Input that waits in the terminal until the program reads. */
  readonly typed?: string;
  /** The host to run it on; this one by default. */
  readonly host?: NetworkHost;
}

/** The output of both streams in `stdout`, and the exit code. */
export async function onTerminal(argv: readonly string[], terminal: Terminal): Promise<Finished> {
  const { columns, rows = 24, typed = '', host } = terminal;
  const command = `stty rows ${rows} columns ${columns}; exec ${argv.map(quoted).join(' ')}`;
  const words = ['script', '-qfec', command, '/dev/null'];
  const options = { input: typed, env: terminalEnv(terminal.env), timeoutMs: 60_000 };
  return host === undefined ? await run(words, options) : await host.run(words, options);
}

/** CI=true makes some libraries write colours even to a file. */
export function terminalEnv(env: Readonly<Record<string, string>> = {}): Record<string, string> {
  return { TERM: 'xterm', NO_COLOR: '', CI: 'true', ...env };
}

export const ESCAPE = '\u001b';

export function hasColor(text: string): boolean {
  return text.replaceAll(`${ESCAPE}[0m`, '').match(new RegExp(`${ESCAPE}\\[[0-9;]+m`)) !== null;
}

/** The text without sequences for colours, moves and clearing. */
export function plain(text: string): string {
  return text.replaceAll(new RegExp(`${ESCAPE}\\[[0-9;?]*[A-Za-z]`, 'g'), '');
}
