# fish completion of tea-pot, printed by: tea-pot completion fish

# COMMAND: whether the words before the cursor are it; with NUMBER whether so many arguments stand behind it, with
# `options` whether it takes options here
function __tea_pot_at
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
                case ' -c' ' --config' ' --for' ' --tea' 'shelf -c' 'shelf --config' 'shelf --for' 'shelf --tea' 'shelf take --into' 'shelf take -c' 'shelf take --config' 'shelf take --for' 'shelf take --tea' 'shelf put -c' 'shelf put --config' 'shelf put --for' 'shelf put --tea' 'run -c' 'run --config' 'run --for' 'run --tea'
                    set -e given[1]
            end
        else
            set -l joined "$path $word"
            if test $count -eq 0; and contains -- "$joined" ' shelf' ' run' 'shelf take' 'shelf put'
                set path (string trim -- "$joined")
            else
                set count (math $count + 1)
                contains -- "$path" 'run'; and test -n "$path"; and set ended yes
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

function __tea_pot_cups
    set -l before (string match -r -- '^[^@]*@' (commandline -ct))
    command sh -c 'echo blue; echo "black"' 2>/dev/null | string replace -r -- '^' "$before"
end

function __tea_pot_teas
    set -l before (string match -r -- '^[^@]*@' (commandline -ct))
    command sh -c 'echo assam' 2>/dev/null | string replace -r -- '^' "$before"
end

complete -c tea-pot -f
complete -c tea-pot -n "__tea_pot_at '' 0" -a 'shelf' -d 'where the cook\'s cups are'
complete -c tea-pot -n "__tea_pot_at '' 0" -a 'run' -d 'a program'
complete -c tea-pot -n "__tea_pot_at '' 0" -f -a "(__tea_pot_cups)"
complete -c tea-pot -n "__tea_pot_at '' 1+" -f -a "(__tea_pot_cups)"
complete -c tea-pot -n "__tea_pot_at '' options" -s q -d 'quietly'
complete -c tea-pot -n "__tea_pot_at '' options" -s c -l config -r -F -d 'what it is to do'
complete -c tea-pot -n "__tea_pot_at '' options" -l for -r -f -d 'not [longer]'
complete -c tea-pot -n "__tea_pot_at '' options" -l tea -r -f -a 'assam green' -d 'which tea: any\\all'
complete -c tea-pot -n "__tea_pot_at '' options" -s h -l help -d 'show this help'
complete -c tea-pot -n "__tea_pot_at 'shelf' 0" -a 'take' -d 'from the shelf'
complete -c tea-pot -n "__tea_pot_at 'shelf' 0" -a 'put' -d 'onto it'
complete -c tea-pot -n "__tea_pot_at 'shelf' options" -s q -d 'quietly'
complete -c tea-pot -n "__tea_pot_at 'shelf' options" -s c -l config -r -F -d 'what it is to do'
complete -c tea-pot -n "__tea_pot_at 'shelf' options" -l for -r -f -d 'not [longer]'
complete -c tea-pot -n "__tea_pot_at 'shelf' options" -l tea -r -f -a 'assam green' -d 'which tea: any\\all'
complete -c tea-pot -n "__tea_pot_at 'shelf' options" -s h -l help -d 'show this help'
complete -c tea-pot -n "__tea_pot_at 'shelf take' 0" -f -a "(__tea_pot_cups)"
complete -c tea-pot -n "__tea_pot_at 'shelf take' options" -l into -r -f -a "(__fish_complete_directories (commandline -ct))" -d 'where to'
complete -c tea-pot -n "__tea_pot_at 'shelf take' options" -s q -d 'quietly'
complete -c tea-pot -n "__tea_pot_at 'shelf take' options" -s c -l config -r -F -d 'what it is to do'
complete -c tea-pot -n "__tea_pot_at 'shelf take' options" -l for -r -f -d 'not [longer]'
complete -c tea-pot -n "__tea_pot_at 'shelf take' options" -l tea -r -f -a 'assam green' -d 'which tea: any\\all'
complete -c tea-pot -n "__tea_pot_at 'shelf take' options" -s h -l help -d 'show this help'
complete -c tea-pot -n "__tea_pot_at 'shelf put' 0" -f -a 'top low'
complete -c tea-pot -n "__tea_pot_at 'shelf put' options" -s q -d 'quietly'
complete -c tea-pot -n "__tea_pot_at 'shelf put' options" -s c -l config -r -F -d 'what it is to do'
complete -c tea-pot -n "__tea_pot_at 'shelf put' options" -l for -r -f -d 'not [longer]'
complete -c tea-pot -n "__tea_pot_at 'shelf put' options" -l tea -r -f -a 'assam green' -d 'which tea: any\\all'
complete -c tea-pot -n "__tea_pot_at 'shelf put' options" -s h -l help -d 'show this help'
complete -c tea-pot -n "__tea_pot_at 'run' 0" -f -a "(__fish_complete_command)"
complete -c tea-pot -n "__tea_pot_at 'run' options" -l again -d ''
complete -c tea-pot -n "__tea_pot_at 'run' options" -s q -d 'quietly'
complete -c tea-pot -n "__tea_pot_at 'run' options" -s c -l config -r -F -d 'what it is to do'
complete -c tea-pot -n "__tea_pot_at 'run' options" -l for -r -f -d 'not [longer]'
complete -c tea-pot -n "__tea_pot_at 'run' options" -l tea -r -f -a 'assam green' -d 'which tea: any\\all'
complete -c tea-pot -n "__tea_pot_at 'run' options" -s h -l help -d 'show this help'
