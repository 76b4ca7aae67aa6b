/**
 * The words that a real shell offers at the end of a line, with our script installed. bash and zsh run on a
 * pseudo-terminal of script(1); they get the line and a key that inserts all offers. fish has a builtin that prints
 * them.
 */
import { spawnSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { RunningProcess, run } from '../../../scripts/lab/running-process.ts';
import { quoted } from '../../../shared/command-line/grammar.ts';

export type ShellName = 'bash' | 'zsh' | 'fish';

/** Why a shell cannot be tested here, or false. */
export function skipWithout(shell: ShellName): string | false {
  const isThere = spawnSync(shell, ['--version']).status === 0 && spawnSync('script', ['--version']).status === 0;
  return isThere ? false : `no ${shell} here`;
}

export interface CompletionRequest {
  readonly shell: ShellName;
  /** The completion script that the program prints. */
  readonly script: string;
  /** The user's home, and the working directory of the shell. */
  readonly home: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** For each line, the words offered for its last word; of `--option=value` the value. */
export async function offered(
  lines: readonly string[],
  asked: CompletionRequest,
): Promise<readonly (readonly string[])[]> {
  const [, program = ''] = /completion of (\S+),/.exec(asked.script) ?? [];
  const folder = join(asked.home, 'completions');
  await mkdir(folder, { recursive: true });
  // zsh loads it by its name at the first use, as from a folder of fpath.
  const file = join(folder, asked.shell === 'zsh' ? `_${program}` : program);
  await writeFile(file, asked.script);
  const env = { HOME: asked.home, XDG_CONFIG_HOME: '', TERM: 'xterm', ...asked.env };
  const options = { env, cwd: asked.home, timeoutMs: 60_000 };
  if (asked.shell === 'fish') {
    const asks = lines.map((line) => `complete -C ${quoted(line)}; echo =END=`).join('\n');
    const { stdout, stderr } = await run(['fish', '--no-config', '-c', `source ${file}\n${asks}`], options);
    if (stderr !== '') throw new Error(`fish says: ${stderr}`);
    return stdout
      .split('=END=\n')
      .slice(0, lines.length)
      .map((text) => text.split('\n').flatMap((row) => (row === '' ? [] : [valueIn(row.split('\t', 1)[0] ?? '')])));
  }
  await writeFile(join(asked.home, asked.shell === 'bash' ? 'bashrc' : '.zshrc'), RC[asked.shell](file));
  const command = asked.shell === 'bash' ? `bash --noprofile --rcfile ${asked.home}/bashrc -i` : 'zsh -d -i';
  const argv = ['script', '-qfec', command, '/dev/null'];
  const terminal = new RunningProcess(argv, { ...options, env: { ...env, ZDOTDIR: asked.home }, keepInput: true });
  try {
    // Keys typed before the shell has set up the terminal would be echoed and read as plain text.
    await terminal.waitForLine(/ready>/);
    const answers: string[] = [];
    for (const line of lines) {
      terminal.write(`${line}${INSERT_ALL}${SHOW}`);
      const isShown = new RegExp(`<<<${answers.length}:.*>>>`);
      await terminal.waitForLine(isShown).catch((cause) => {
        throw new Error(`no answer to "${line}"`, { cause });
      });
      answers.push(isShown.exec(terminal.stdout)?.[0].replace(/^<<<\d+:(.*)>>>$/, '$1') ?? '');
    }
    return answers.map((text, at) => wordsAfter(text, lines[at] ?? ''));
  } finally {
    await terminal.end('SIGKILL');
  }
}

/** Keys that are bound in the shells below. */
const INSERT_ALL = '\u0001';
const SHOW = '\u0002';

const RC = {
  bash: (file: string) => `PS1='ready>'
bind 'set enable-bracketed-paste off'
bind '"\\C-a": insert-completions'
asked=0
show() { printf '<<<%s:%s>>>\\n' $((asked++)) "$READLINE_LINE"; READLINE_LINE=; READLINE_POINT=0; }
bind -x '"\\C-b": show'
source ${file}
`,
  zsh: (file: string) => `PS1='ready>'
unset zle_bracketed_paste
fpath=(${dirname(file)} $fpath)
autoload -Uz compinit && compinit -u -D
all() { _main_complete; compstate[insert]=all; compstate[list]= }
zle -C insert-all complete-word all
bindkey '^A' insert-all
asked=0
show() { print -r -- "<<<$((asked++)):$BUFFER>>>"; BUFFER= }
zle -N show
bindkey '^B' show
`,
};

/** The words in place of the line's last word; none when the line did not change. */
function wordsAfter(text: string, line: string): readonly string[] {
  if (text === line) return [];
  const before = line.slice(0, line.lastIndexOf(' ') + 1);
  const words = text.slice(before.length).split(/(?<!\\) +/);
  // For admin@ba, bash replaces only the part from the @.
  const [user = ''] = words[0]?.split('@') ?? [];
  return words.filter((word) => word !== '').map((word) => valueIn(word.startsWith('@') ? user + word : word));
}

function valueIn(word: string): string {
  return word.replace(/^--[a-z-]+=|\/$/g, '');
}
