/**
 * Completion for zsh, by its own `_arguments`. The script finds the command first, because each command has its own
 * options. Then `_arguments` sees only the words of that command.
 */
import {
  type Completions,
  everyCommand,
  type Grammar,
  lastWord,
  type OptionWords,
  quoted,
  type Value,
} from './grammar.ts';

/** The script, to be sourced or put into a folder of `fpath` as `_PROGRAM`. */
export function zshCompletion(grammar: Grammar, { program, lists }: Completions): string {
  const fn = `_${program}`;
  const commands = everyCommand(grammar);
  const valued = commands.flatMap(({ path, options }) =>
    options.flatMap(({ words, value }) => (value === undefined ? [] : words.map((word) => quoted(`${path} ${word}`)))),
  );
  return `#compdef ${program}
# zsh completion of ${program}, printed by: ${program} completion zsh

${Object.entries(lists)
  .map(([name, script]) => listFunction(fn, name, script))
  .join('\n')}
${commands
  .filter((each) => each.commands.length > 0)
  .map((each) => commandsFunction(fn, each))
  .join('\n')}
${fn}() {
  local curcontext=$curcontext word command=
  local -i at=2
  while ((at < CURRENT)); do
    word=\${words[at]}
    ((at++))
    case $word in
      --) break ;;
      -*)
        case "$command $word" in
          ${valued.join(' | ')}) ((at++)) ;;
        esac
        ;;
      *)
        case "$command $word" in
${commands
  .flatMap((each) => each.commands)
  .map(({ path }) => `          ${quoted(path.includes(' ') ? path : ` ${path}`)}) command=${quoted(path)} ;;`)
  .join('\n')}
          *) break ;;
        esac
        words=("\${words[1]}" "\${(@)words[at,-1]}")
        ((CURRENT -= at - 2, at = 2))
        ;;
    esac
  done
  case $command in
${commands.map((each) => `    ${quoted(each.path)})\n      _arguments -s ${specs(fn, each)}\n      ;;`).join('\n')}
  esac
}

if [[ $funcstack[1] == ${fn} ]]; then
  ${fn} "$@"
else
  compdef ${fn} ${program}
fi
`;
}

function listFunction(fn: string, name: string, script: string): string {
  return `${fn}_${name}() {
  local -a found=(\${(f)"$(command sh -c ${quoted(script)} 2>/dev/null)"})
  # admin@bastion1
  compset -P '*@'
  compadd -a found
}
`;
}

function commandsFunction(fn: string, grammar: Grammar): string {
  const rows = grammar.commands.map((each) => quoted(`${lastWord(each)}:${each.description}`));
  return `${commandsName(fn, grammar)}() {
  local -a found=(
    ${rows.join('\n    ')}
  )
  _describe command found
}
`;
}

function commandsName(fn: string, { path }: Grammar): string {
  return `${fn}_commands${path === '' ? '' : `_of_${path.replaceAll(' ', '_')}`}`;
}

function specs(fn: string, grammar: Grammar): string {
  // -S: no options after --. -A: no options among the words of another program.
  const head = grammar.passesThrough ? ["-A '-*'"] : ['-S'];
  const options = grammar.options.flatMap((option) => optionSpecs(fn, option));
  return [...head, ...options, ...argumentSpecs(fn, grammar)].join(' \\\n        ');
}

function optionSpecs(fn: string, { words, description, value }: OptionWords): readonly string[] {
  const text = `[${description.replaceAll(/[\\[\]]/g, '\\$&')}]`;
  const others = words.length > 1 ? `(${words.join(' ')})` : '';
  return words.map((word) => {
    if (value === undefined) return quoted(`${others}${word}${text}`);
    // A long option may have its value after =, a short one in the same word.
    const joins = word.startsWith('--') ? '=' : '+';
    return quoted(`${others}${word}${joins}${text}:${message(value)}:${action(fn, value)}`);
  });
}

function argumentSpecs(fn: string, grammar: Grammar): readonly string[] {
  const specs = grammar.arguments.map((each, at) => {
    const place = each.isVariadic ? '*' : `${at + 1}`;
    const isFirst = at === 0 && grammar.commands.length > 0;
    const what = isFirst ? both(fn, grammar, each) : action(fn, each);
    return quoted(`${place}:${message(each)}:${what}`);
  });
  if (grammar.arguments.length === 0 && grammar.commands.length > 0) {
    return [quoted(`1:command:${commandsName(fn, grammar)}`)];
  }
  return specs;
}

/** Completes a command, or the first argument. */
function both(fn: string, grammar: Grammar, value: Value): string {
  return `{ ${commandsName(fn, grammar)}; ${action(fn, value).trim()} }`;
}

function message({ name }: Value): string {
  return name.replaceAll(':', '\\:');
}

function action(fn: string, { kind, choices }: Value): string {
  if (choices !== undefined) return `(${choices.join(' ')})`;
  switch (kind) {
    case 'nothing':
      return ' ';
    case 'files':
      return '_files';
    case 'folders':
      return '_files -/';
    case 'programs':
      return '{ _command_names -e; _files }';
    default:
      return `${fn}_${kind}`;
  }
}
