/**
 * Completion for fish, 3.0 and later: one line for each option and command, with the condition that its command is
 * typed.
 */
import { type Completions, everyCommand, type Grammar, lastWord, type OptionWords, type Value } from './grammar.ts';

/** The script, to be sourced or put into a folder of completions as `PROGRAM.fish`. */
export function fishCompletion(grammar: Grammar, { program, lists }: Completions): string {
  const fn = `__${program.replaceAll('-', '_')}`;
  const commands = everyCommand(grammar);
  const valued = commands.flatMap(({ path, options }) =>
    options.flatMap(({ words, value }) => (value === undefined ? [] : words.map((word) => literal(`${path} ${word}`)))),
  );
  const paths = commands.flatMap((each) => each.commands).map(({ path }) => (path.includes(' ') ? path : ` ${path}`));
  const throughs = commands.filter((each) => each.passesThrough).map(({ path }) => literal(path));
  return `# fish completion of ${program}, printed by: ${program} completion fish

# COMMAND: whether the words before the cursor are it; with NUMBER whether so many arguments stand behind it, with
# \`options\` whether it takes options here
function ${fn}_at
    set -l given (commandline -opc)
    set -e given[1]
    set -l path ''
    set -l count 0
    set -l ended no
    while set -q given[1]
        set -l word $given[1]
        set -e given[1]
        if test $ended = no; and test "$word" = --
            set ended yes
        else if test $ended = no; and string match -q -- '-?*' "$word"
            switch "$path $word"
                case ${valued.join(' ')}
                    set -e given[1]
            end
        else
            set -l joined "$path $word"
            if test $count -eq 0; and contains -- "$joined" ${paths.map(literal).join(' ')}
                set path (string trim -- "$joined")
            else
                set count (math $count + 1)
                contains -- "$path" ${throughs.length === 0 ? "''" : throughs.join(' ')}; and test -n "$path"; and set ended yes
            end
        end
    end
    test "$path" = "$argv[1]"; or return 1
    switch "$argv[2]"
        case ''
            return 0
        case options
            test $ended = no
        case '*+'
            test $count -ge (string trim -r -c + -- $argv[2])
        case '*'
            test $count -eq $argv[2]
    end
end

${Object.entries(lists)
  .map(([name, script]) => listFunction(fn, name, script))
  .join('\n')}
complete -c ${program} -f
${commands.flatMap((each) => [...commandLines(fn, program, each), ...argumentLines(fn, program, each), ...optionLines(fn, program, each)]).join('\n')}
`;
}

/** Completes after an @, with the text before it in front: admin@bastion1. */
function listFunction(fn: string, name: string, script: string): string {
  return `function ${fn}_${name}
    set -l before (string match -r -- '^[^@]*@' (commandline -ct))
    command sh -c ${literal(script)} 2>/dev/null | string replace -r -- '^' "$before"
end
`;
}

function commandLines(fn: string, program: string, grammar: Grammar): readonly string[] {
  return grammar.commands.map(
    (each) =>
      `complete -c ${program} -n ${condition(fn, grammar.path, '0')} -a ${literal(lastWord(each))} -d ${literal(each.description)}`,
  );
}

function argumentLines(fn: string, program: string, grammar: Grammar): readonly string[] {
  return grammar.arguments.flatMap((each, at) => {
    if (each.kind === 'nothing' && each.choices === undefined) return [];
    const place = condition(fn, grammar.path, each.isVariadic ? `${at}+` : `${at}`);
    return [`complete -c ${program} -n ${place} ${action(fn, each)}`];
  });
}

function optionLines(fn: string, program: string, grammar: Grammar): readonly string[] {
  return grammar.options.map(({ words, description, value }: OptionWords) => {
    const flags = words.map((word) => (word.startsWith('--') ? `-l ${word.slice(2)}` : `-s ${word.slice(1)}`));
    const what = value === undefined ? [] : [`-r ${action(fn, value)}`];
    const parts = [...flags, ...what, `-d ${literal(description)}`];
    return `complete -c ${program} -n ${condition(fn, grammar.path, 'options')} ${parts.join(' ')}`;
  });
}

function condition(fn: string, path: string, place: string): string {
  return `"${fn}_at '${path}' ${place}"`;
}

function action(fn: string, { kind, choices }: Value): string {
  if (choices !== undefined) return `-f -a ${literal(choices.join(' '))}`;
  switch (kind) {
    case 'nothing':
      return '-f';
    case 'files':
      return '-F';
    case 'folders':
      return '-f -a "(__fish_complete_directories (commandline -ct))"';
    case 'programs':
      return '-f -a "(__fish_complete_command)"';
    default:
      return `-f -a "(${fn}_${kind})"`;
  }
}

/** Quotes a text for fish, which has two escapes between single quotes. */
function literal(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
