#compdef tea-pot
# zsh completion of tea-pot, printed by: tea-pot completion zsh

_tea-pot_cups() {
  local -a found=(${(f)"$(command sh -c 'echo blue; echo "black"' 2>/dev/null)"})
  # admin@bastion1
  compset -P '*@'
  compadd -a found
}

_tea-pot_teas() {
  local -a found=(${(f)"$(command sh -c 'echo assam' 2>/dev/null)"})
  # admin@bastion1
  compset -P '*@'
  compadd -a found
}

_tea-pot_commands() {
  local -a found=(
    'shelf:where the cook'\''s cups are'
    'run:a program'
  )
  _describe command found
}

_tea-pot_commands_of_shelf() {
  local -a found=(
    'take:from the shelf'
    'put:onto it'
  )
  _describe command found
}

_tea-pot() {
  local curcontext=$curcontext word command=
  local -i at=2
  while ((at < CURRENT)); do
    word=${words[at]}
    ((at++))
    case $word in
      --) break ;;
      -*)
        case "$command $word" in
          ' -c' | ' --config' | ' --for' | ' --tea' | 'shelf -c' | 'shelf --config' | 'shelf --for' | 'shelf --tea' | 'shelf take --into' | 'shelf take -c' | 'shelf take --config' | 'shelf take --for' | 'shelf take --tea' | 'shelf put -c' | 'shelf put --config' | 'shelf put --for' | 'shelf put --tea' | 'run -c' | 'run --config' | 'run --for' | 'run --tea') ((at++)) ;;
        esac
        ;;
      *)
        case "$command $word" in
          ' shelf') command='shelf' ;;
          ' run') command='run' ;;
          'shelf take') command='shelf take' ;;
          'shelf put') command='shelf put' ;;
          *) break ;;
        esac
        words=("${words[1]}" "${(@)words[at,-1]}")
        ((CURRENT -= at - 2, at = 2))
        ;;
    esac
  done
  case $command in
    '')
      _arguments -s -S \
        '-q[quietly]' \
        '(-c --config)-c+[what it is to do]:file:_files' \
        '(-c --config)--config=[what it is to do]:file:_files' \
        '--for=[not \[longer\]]:minutes: ' \
        '--tea=[which tea: any\\all]:kind:(assam green)' \
        '(-h --help)-h[show this help]' \
        '(-h --help)--help[show this help]' \
        '1:cup:{ _tea-pot_commands; _tea-pot_cups }' \
        '*:more:_tea-pot_cups'
      ;;
    'shelf')
      _arguments -s -S \
        '-q[quietly]' \
        '(-c --config)-c+[what it is to do]:file:_files' \
        '(-c --config)--config=[what it is to do]:file:_files' \
        '--for=[not \[longer\]]:minutes: ' \
        '--tea=[which tea: any\\all]:kind:(assam green)' \
        '(-h --help)-h[show this help]' \
        '(-h --help)--help[show this help]' \
        '1:command:_tea-pot_commands_of_shelf'
      ;;
    'shelf take')
      _arguments -s -S \
        '--into=[where to]:folder:_files -/' \
        '-q[quietly]' \
        '(-c --config)-c+[what it is to do]:file:_files' \
        '(-c --config)--config=[what it is to do]:file:_files' \
        '--for=[not \[longer\]]:minutes: ' \
        '--tea=[which tea: any\\all]:kind:(assam green)' \
        '(-h --help)-h[show this help]' \
        '(-h --help)--help[show this help]' \
        '1:name:_tea-pot_cups'
      ;;
    'shelf put')
      _arguments -s -S \
        '-q[quietly]' \
        '(-c --config)-c+[what it is to do]:file:_files' \
        '(-c --config)--config=[what it is to do]:file:_files' \
        '--for=[not \[longer\]]:minutes: ' \
        '--tea=[which tea: any\\all]:kind:(assam green)' \
        '(-h --help)-h[show this help]' \
        '(-h --help)--help[show this help]' \
        '1:where:(top low)'
      ;;
    'run')
      _arguments -s -A '-*' \
        '--again[]' \
        '-q[quietly]' \
        '(-c --config)-c+[what it is to do]:file:_files' \
        '(-c --config)--config=[what it is to do]:file:_files' \
        '--for=[not \[longer\]]:minutes: ' \
        '--tea=[which tea: any\\all]:kind:(assam green)' \
        '(-h --help)-h[show this help]' \
        '(-h --help)--help[show this help]' \
        '1:program:{ _command_names -e; _files }' \
        '*:words: '
      ;;
  esac
}

if [[ $funcstack[1] == _tea-pot ]]; then
  _tea-pot "$@"
else
  compdef _tea-pot tea-pot
fi
