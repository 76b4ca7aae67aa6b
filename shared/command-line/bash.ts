/**
 * Completion for bash, 3.2 and later, with or without the package bash-completion. The script compares words itself. It
 * never passes them to `compgen -W`, which would expand their content.
 */
import { type Completions, everyCommand, type Grammar, lastWord, quoted, type Value } from './grammar.ts';

/** The script, to be sourced or put into bash-completion's folder. */
export function bashCompletion(grammar: Grammar, { program, lists }: Completions): string {
  const fn = `_${program.replaceAll('-', '_')}`;
  const commands = everyCommand(grammar);
  const throughs = commands.filter((each) => each.passesThrough).map(({ path }) => path);
  const withCommands = commands.filter((each) => each.commands.length > 0);
  return `# bash completion of ${program}, printed by: ${program} completion bash

# COMMAND OPTION: what its value is, in REPLY; fails where it has none
${fn}_value() {
  case "$1 $2" in
${cases(commands.flatMap(optionKinds))}
    *) return 1 ;;
  esac
}

# COMMAND NUMBER: what its argument of that number is, from 0, in REPLY
${fn}_argument() {
  case "$1 $2" in
${cases(commands.flatMap(argumentKinds))}
    *) REPLY=nothing ;;
  esac
}

# COMMAND: its commands, in REPLY
${fn}_commands() {
  case $1 in
${withCommands.map((each) => `    ${quoted(each.path)}) REPLY=${quoted(each.commands.map(lastWord).join(' '))} ;;`).join('\n')}
    *) REPLY= ;;
  esac
}

# COMMAND: its options, in REPLY
${fn}_options() {
  case $1 in
${commands.map((each) => `    ${quoted(each.path)}) REPLY=${quoted(each.options.flatMap(({ words }) => words).join(' '))} ;;`).join('\n')}
  esac
}

# KIND: the words of it, one a line
${fn}_words() {
  case $1 in
    words:*) printf '%s\\n' \${1#words:} ;;
${Object.entries(lists)
  .map(([name, script]) => `    ${name}) command sh -c ${quoted(script)} 2>/dev/null ;;`)
  .join('\n')}
  esac
}

${fn}() {
  local IFS=$' \\t\\n' REPLY word cur=\${COMP_WORDS[COMP_CWORD]} command= kind= before= prefix= ended= count=0 at=1
  local -a given=()
  COMPREPLY=()
  # readline takes words apart at = and : and @; those before the cursor are put together again.
  while ((at < COMP_CWORD)); do
    word=\${COMP_WORDS[at]}
    if [[ $word == [=:@] && \${#given[@]} -gt 0 ]]; then
      given[\${#given[@]}-1]+=$word
      before=$word
    elif [[ -n $before ]]; then
      given[\${#given[@]}-1]+=$word
      before=
    else
      given+=("$word")
    fi
    ((at++))
  done
  if [[ $cur == = ]]; then
    cur=
  elif [[ $cur == [:@] && \${#given[@]} -gt 0 ]]; then
    [[ $cur == @ ]] && prefix=@
    cur=
    unset "given[\${#given[@]}-1]"
  elif [[ $before == = ]]; then
    # The word at the cursor is the value.
    given[\${#given[@]}-1]=\${given[\${#given[@]}-1]%=}
  elif [[ -n $before ]]; then
    # It is the end of the last one; of admin@bastion1 readline replaces the @ too.
    [[ $before == @ ]] && prefix=@
    unset "given[\${#given[@]}-1]"
  fi

  at=0
  while ((at < \${#given[@]})); do
    word=\${given[at]}
    ((at++))
    kind=
    if [[ -z $ended && $word == -- ]]; then
      ended=yes
    elif [[ -z $ended && $word == -?* ]]; then
      if ${fn}_value "$command" "$word"; then
        ((at < \${#given[@]})) || kind=$REPLY
        ((at++))
      fi
    else
      ${fn}_commands "$command"
      if ((count == 0)) && [[ " $REPLY " == *" $word "* ]]; then
        command=\${command:+$command }$word
      else
        ((count++))
${throughs.map((path) => `        [[ $command == ${quoted(path)} ]] && ended=yes\n`).join('')}      fi
    fi
  done

  local -a words=()
  if [[ -n $kind ]]; then
    :
  elif [[ $cur == --*=* ]]; then
    # Where = is no break for readline.
    ${fn}_value "$command" "\${cur%%=*}" || return
    kind=$REPLY
    before=\${cur%%=*}=
    cur=\${cur#*=}
    while IFS= read -r word; do
      [[ $word == "$cur"* ]] && COMPREPLY+=("$before$word")
    done < <(${fn}_words "$kind")
    return
  elif [[ -z $ended && $cur == -* ]]; then
    ${fn}_options "$command"
    kind=words:$REPLY
  else
    ${fn}_argument "$command" "$count"
    kind=$REPLY
    if ((count == 0)); then
      ${fn}_commands "$command"
      for word in $REPLY; do
        [[ $word == "$cur"* ]] && COMPREPLY+=("$word")
      done
    fi
  fi

  case $kind in
    files) words=(-f) ;;
    folders) words=(-d) ;;
    programs) words=(-c) ;;
  esac
  if ((\${#words[@]} > 0)); then
    [[ $kind == programs ]] || type compopt >/dev/null 2>&1 && compopt -o filenames 2>/dev/null
    while IFS= read -r word; do
      COMPREPLY+=("$word")
    done < <(compgen "\${words[@]}" -- "$cur")
    return
  fi
  # admin@bastion1, where @ is no break for readline.
  if [[ $cur == *@* ]]; then
    prefix=\${cur%@*}@
    cur=\${cur##*@}
  fi
  while IFS= read -r word; do
    [[ -n $word && $word == "$cur"* ]] && COMPREPLY+=("$prefix$word")
  done < <(${fn}_words "$kind")
}

complete -F ${fn} ${program}
`;
}

/** A pattern of `case`, and the value of REPLY for it. */
type Case = readonly [pattern: string, kind: string];

function kindOf({ kind, choices }: Value): string {
  return choices === undefined ? kind : `words:${choices.join(' ')}`;
}

function optionKinds({ path, options }: Grammar): readonly Case[] {
  return options.flatMap(({ words, value }): readonly Case[] =>
    value === undefined ? [] : words.map((word): Case => [quoted(`${path} ${word}`), kindOf(value)]),
  );
}

function argumentKinds({ path, arguments: all }: Grammar): readonly Case[] {
  return all.map((each, at): Case => {
    const pattern = each.isVariadic ? `${quoted(`${path} `)}*` : quoted(`${path} ${at}`);
    return [pattern, kindOf(each)];
  });
}

/** The lines of a `case`, in order, because the first matching pattern wins. Neighbours of one kind share a line. */
function cases(all: readonly Case[]): string {
  const lines: { patterns: string[]; kind: string }[] = [];
  for (const [pattern, kind] of all) {
    const last = lines.at(-1);
    if (last?.kind === kind) last.patterns.push(pattern);
    else lines.push({ patterns: [pattern], kind });
  }
  return lines.map(({ patterns, kind }) => `    ${patterns.join(' | ')}) REPLY=${quoted(kind)} ;;`).join('\n');
}
