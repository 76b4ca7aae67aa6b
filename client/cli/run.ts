/**
 * Runs a command line and returns the exit code. `knock-otp HOST` and ssh's `knock-otp --proxy HOST PORT`, with or
 * without `--door`, are recognized here, because loading the grammar (program.ts) takes longer than a knock. Every
 * other command line goes to the grammar.
 */
import { exitCodeOf, formatProblem, KnockError } from '../../shared/errors.ts';
import type { KnockOptions } from '../commands/knock-options.ts';
import type { Deps } from '../deps.ts';
import { isCommandName } from '../terminal/command-names.ts';
import { say } from '../terminal/output.ts';

export interface PlainKnock {
  readonly host: string;
  readonly ports: readonly string[];
  readonly options: KnockOptions;
}

const PLAIN_WORD = /^[A-Za-z0-9][A-Za-z0-9.:_-]*$/;

/**
 * Never throws. Returns 0 for success, 1 for a failure, 2 for a usage error; after `ssh` or `exec`, the program's exit
 * status.
 */
export async function run(argv: readonly string[], deps: Deps): Promise<number> {
  try {
    const plain = plainKnock(argv);
    if (plain === undefined) {
      const { runCommandLine } = await import('./program.ts');
      return await runCommandLine(argv, deps);
    }
    const { knockAtHost } = await import('../commands/knock-command.ts');
    await knockAtHost(plain.host, plain.ports, plain.options, deps);
    return 0;
  } catch (error) {
    await printError(error, deps);
    return exitCodeOf(error);
  }
}

/** The result that the grammar would have for these words; undefined when the grammar is needed. */
export function plainKnock(argv: readonly string[]): PlainKnock | undefined {
  const [first = '', host = '', port = ''] = argv;
  if (first === '--door') {
    const plain = plainKnock(argv.slice(2));
    // Twice, or not the name of a door: the grammar has the error message.
    if (plain === undefined || plain.options.door !== undefined || !PLAIN_WORD.test(host)) return undefined;
    return { ...plain, options: { ...plain.options, door: host } };
  }
  if (argv.length === 1 && isPlainHost(first)) return { host: first, ports: [], options: {} };
  if (argv.length === 3 && first === '--proxy' && isPlainHost(host) && /^[0-9]{1,5}$/.test(port)) {
    return { host, ports: [port], options: { proxy: true } };
  }
  return undefined;
}

function isPlainHost(word: string): boolean {
  return PLAIN_WORD.test(word) && !isCommandName(word);
}

async function printError(error: unknown, deps: Deps): Promise<void> {
  const [{ default: pc }, { canColor }] = await Promise.all([
    import('picocolors'),
    import('../../shared/command-line/terminal.ts'),
  ]);
  const { red, dim } = pc.createColors(canColor(deps.stderr, deps.env));
  say(deps, `${red('error:')} ${error instanceof Error ? error.message : String(error)}`);
  if (error instanceof KnockError) for (const each of error.problems) say(deps, formatProblem(each));
  if (error instanceof KnockError && error.hint !== undefined) say(deps, `${dim('hint:')} ${error.hint}`);
}
