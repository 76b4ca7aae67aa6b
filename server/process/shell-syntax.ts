/**
 * Finds what only a shell understands in a command, because commands run without one. knockd hands every command to
 * /bin/sh; a line that counts on that is refused when the configuration is read, not silently run as something else.
 * Pure. The answer names signs, and words of the shell's own language, never other words: these may be secret.
 */

export interface ShellSyntax {
  /** Continues the sentence "commands run without a shell, and ...". */
  readonly what: string;
  /** What to write instead; absent where only a shell will do. */
  readonly instead?: string;
}

/** Unquoted: lists, pipes, redirections, subshells, substitution, variables, globs, escapes. */
const OPERATORS = /&&|\|\||>>|2>&1|[;&|<>()`$*?\\]/g;
/** What a shell expands within "...": variables, substitutions, escapes. */
const EXPANSIONS = /\$(?=[A-Za-z0-9_{(@*#?!$-])|`|\\(?=[$`"\\]|$)/g;
/** How any sign is kept from meaning something. */
export const KEEP_LITERAL = "put it into '...' to keep it literal";

/** POSIX 2.4, and those of bash that are no programs anywhere. */
const RESERVED = words('! { } case coproc do done elif else esac fi for function if in select then until while [[ ]]');
/**
 * POSIX 2.14 and 1.6, and those of dash and bash, without those that are programs too and do the same as programs: true,
 * false, echo, printf, test, pwd, kill.
 */
const BUILTINS = words(
  `. : [ alias bg bind break builtin caller cd chdir command compgen complete compopt continue declare dirs disown
   enable eval exec exit export fc fg getopts hash help history jobs let local logout mapfile popd pushd read readarray
   readonly return set shift shopt source suspend times trap type typeset ulimit umask unalias unset wait`,
);
const INSTEAD: Readonly<Record<string, string>> = {
  ':': 'write : alone, or nothing after the =, for a command that does nothing',
  '.': 'write the script itself, and make it executable',
  source: 'write the script itself, and make it executable',
  cd: 'write whole paths, because commands run in /; or name a script',
  exec: 'write the program alone',
  command: 'write the program alone',
};

/** The first kind that is found; undefined when no part of the line needs a shell. `program` is its first word, unquoted. */
export function shellSyntax(line: string, program: string): ShellSyntax | undefined {
  const quoted = [...line.matchAll(/'[^']*'|"([^"]*)"/g)].map(([, text = '']) => text);
  const expanded = [...new Set(quoted.flatMap((text) => text.match(EXPANSIONS) ?? []))];
  if (expanded.length > 0) return { what: `${expanded.join(' ')} within "..." needs one` };
  const outside = maskQuotes(line);
  if (/(^|\s)#/.test(outside)) {
    return { what: '# begins a comment only in one', instead: 'put the comment on a line of its own' };
  }
  const operators = [...new Set([...(outside.match(OPERATORS) ?? []), ...(hasPattern(outside) ? ['[...]'] : [])])];
  if (operators.length > 0) return { what: `${operators.join(' ')} needs one` };
  if (/(^|\s)~/.test(outside)) {
    return { what: 'only a shell makes a home directory of ~', instead: 'write the whole path' };
  }
  if (/^\s*[A-Za-z_][A-Za-z0-9_]*\+?=/.test(outside)) {
    return { what: 'NAME=value before a program needs one', instead: 'write env NAME=value and then the program' };
  }
  if (RESERVED.has(program)) {
    return { what: `${program} is a word of the shell's language`, instead: 'name a script' };
  }
  if (!BUILTINS.has(program)) return undefined;
  return { what: `${program} is a command of the shell itself`, instead: INSTEAD[program] ?? 'name a script' };
}

/** `:`, the shell's idiom for a command that does nothing. */
export function isNothing(line: string): boolean {
  return line.trim() === ':';
}

/** The line with a sign in place of each quoted part, so that words stay apart, or together, as they are. */
export function maskQuotes(line: string): string {
  return line.replaceAll(/'[^']*'|"[^"]*"/g, '%');
}

/** A pattern such as `[a-z]`; `[2001:db8::1]` and `[%IP%]` are addresses. */
function hasPattern(outside: string): boolean {
  return [...outside.matchAll(/\[([^\s\]]+)\]/g)].some(
    ([, inside = '']) => inside !== '%IP%' && (!inside.includes(':') || inside.startsWith('[:')),
  );
}

function words(text: string): ReadonlySet<string> {
  return new Set(text.split(/\s+/));
}
