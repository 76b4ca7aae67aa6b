/** Programs on a pseudo-terminal of script(1), with the size and the kind of terminal that a test wants. */
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
  /** `xterm`, and no NO_COLOR, when nothing else is said. */
  readonly env?: Readonly<Record<string, string>>;
  /** Typed ahead: it waits in the terminal until the program reads. */
  readonly typed?: string;
  /** Where to run it; here when not given. */
  readonly host?: NetworkHost;
}

/** What the program wrote to the terminal, both streams, in `stdout`; and its exit code. */
export async function onTerminal(argv: readonly string[], terminal: Terminal): Promise<Finished> {
  const { columns, rows = 24, typed = '', host } = terminal;
  const command = `stty rows ${rows} columns ${columns}; exec ${argv.map(quoted).join(' ')}`;
  const words = ['script', '-qfec', command, '/dev/null'];
  const options = { input: typed, env: terminalEnv(terminal.env), timeoutMs: 60_000 };
  return host === undefined ? await run(words, options) : await host.run(words, options);
}

/** CI=true makes some libraries write colours whatever they write to. */
export function terminalEnv(env: Readonly<Record<string, string>> = {}): Record<string, string> {
  return { TERM: 'xterm', NO_COLOR: '', CI: 'true', ...env };
}

export const ESCAPE = '\u001b';

export function hasColor(text: string): boolean {
  return text.replaceAll(`${ESCAPE}[0m`, '').match(new RegExp(`${ESCAPE}\\[[0-9;]+m`)) !== null;
}

/** Without sequences that colour, move or clear. */
export function plain(text: string): string {
  return text.replaceAll(new RegExp(`${ESCAPE}\\[[0-9;?]*[A-Za-z]`, 'g'), '');
}
