# bash completion of tea-pot, printed by: tea-pot completion bash

# COMMAND OPTION: what its value is, in REPLY; fails where it has none
_tea_pot_value() {
  case "$1 $2" in
    ' -c' | ' --config') REPLY='files' ;;
    ' --for') REPLY='nothing' ;;
    ' --tea') REPLY='words:assam green' ;;
    'shelf -c' | 'shelf --config') REPLY='files' ;;
    'shelf --for') REPLY='nothing' ;;
    'shelf --tea') REPLY='words:assam green' ;;
    'shelf take --into') REPLY='folders' ;;
    'shelf take -c' | 'shelf take --config') REPLY='files' ;;
    'shelf take --for') REPLY='nothing' ;;
    'shelf take --tea') REPLY='words:assam green' ;;
    'shelf put -c' | 'shelf put --config') REPLY='files' ;;
    'shelf put --for') REPLY='nothing' ;;
    'shelf put --tea') REPLY='words:assam green' ;;
    'run -c' | 'run --config') REPLY='files' ;;
    'run --for') REPLY='nothing' ;;
    'run --tea') REPLY='words:assam green' ;;
    *) return 1 ;;
  esac
}

# COMMAND NUMBER: what its argument of that number is, from 0, in REPLY
_tea_pot_argument() {
  case "$1 $2" in
    ' 0' | ' '* | 'shelf take 0') REPLY='cups' ;;
    'shelf put 0') REPLY='words:top low' ;;
    'run 0') REPLY='programs' ;;
    'run '*) REPLY='nothing' ;;
    *) REPLY=nothing ;;
  esac
}

# COMMAND: its commands, in REPLY
_tea_pot_commands() {
  case $1 in
    '') REPLY='shelf run' ;;
    'shelf') REPLY='take put' ;;
    *) REPLY= ;;
  esac
}

# COMMAND: its options, in REPLY
_tea_pot_options() {
  case $1 in
    '') REPLY='-q -c --config --for --tea -h --help' ;;
    'shelf') REPLY='-q -c --config --for --tea -h --help' ;;
    'shelf take') REPLY='--into -q -c --config --for --tea -h --help' ;;
    'shelf put') REPLY='-q -c --config --for --tea -h --help' ;;
    'run') REPLY='--again -q -c --config --for --tea -h --help' ;;
  esac
}

# KIND: the words of it, one a line
_tea_pot_words() {
  case $1 in
    words:*) printf '%s\n' ${1#words:} ;;
    cups) command sh -c 'echo blue; echo "black"' 2>/dev/null ;;
    teas) command sh -c 'echo assam' 2>/dev/null ;;
  esac
}

_tea_pot() {
  local IFS=$' \t\n' REPLY word cur=${COMP_WORDS[COMP_CWORD]} command= kind= before= prefix= ended= count=0 at=1
  local -a given=()
  COMPREPLY=()
  # readline takes words apart at = and : and @; those before the cursor are put together again.
  while ((at < COMP_CWORD)); do
    word=${COMP_WORDS[at]}
    if [[ $word == [=:@] && ${#given[@]} -gt 0 ]]; then
      given[${#given[@]}-1]+=$word
      before=$word
    elif [[ -n $before ]]; then
      given[${#given[@]}-1]+=$word
      before=
    else
      given+=("$word")
    fi
    ((at++))
  done
  if [[ $cur == = ]]; then
    cur=
  elif [[ $cur == [:@] && ${#given[@]} -gt 0 ]]; then
    [[ $cur == @ ]] && prefix=@
    cur=
    unset "given[${#given[@]}-1]"
  elif [[ $before == = ]]; then
    # The word at the cursor is the value.
    given[${#given[@]}-1]=${given[${#given[@]}-1]%=}
  elif [[ -n $before ]]; then
    # It is the end of the last one; of admin@bastion1 readline replaces the @ too.
    [[ $before == @ ]] && prefix=@
    unset "given[${#given[@]}-1]"
  fi

  at=0
  while ((at < ${#given[@]})); do
    word=${given[at]}
    ((at++))
    kind=
    if [[ -z $ended && $word == -- ]]; then
      ended=yes
    elif [[ -z $ended && $word == -?* ]]; then
      if _tea_pot_value "$command" "$word"; then
        ((at < ${#given[@]})) || kind=$REPLY
        ((at++))
      fi
    else
      _tea_pot_commands "$command"
      if ((count == 0)) && [[ " $REPLY " == *" $word "* ]]; then
        command=${command:+$command }$word
      else
        ((count++))
        [[ $command == 'run' ]] && ended=yes
      fi
    fi
  done

  local -a words=()
  if [[ -n $kind ]]; then
    :
  elif [[ $cur == --*=* ]]; then
    # Where = is no break for readline.
    _tea_pot_value "$command" "${cur%%=*}" || return
    kind=$REPLY
    before=${cur%%=*}=
    cur=${cur#*=}
    while IFS= read -r word; do
      [[ $word == "$cur"* ]] && COMPREPLY+=("$before$word")
    done < <(_tea_pot_words "$kind")
    return
  elif [[ -z $ended && $cur == -* ]]; then
    _tea_pot_options "$command"
    kind=words:$REPLY
  else
    _tea_pot_argument "$command" "$count"
    kind=$REPLY
    if ((count == 0)); then
      _tea_pot_commands "$command"
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
  if ((${#words[@]} > 0)); then
    [[ $kind == programs ]] || type compopt >/dev/null 2>&1 && compopt -o filenames 2>/dev/null
    while IFS= read -r word; do
      COMPREPLY+=("$word")
    done < <(compgen "${words[@]}" -- "$cur")
    return
  fi
  # admin@bastion1, where @ is no break for readline.
  if [[ $cur == *@* ]]; then
    prefix=${cur%@*}@
    cur=${cur##*@}
  fi
  while IFS= read -r word; do
    [[ -n $word && $word == "$cur"* ]] && COMPREPLY+=("$prefix$word")
  done < <(_tea_pot_words "$kind")
}

complete -F _tea_pot tea-pot
