/**
 * What the shells complete behind `knock-otp`. Names of hosts come from the names of the files that hold profiles, read
 * by the shell: no process of ours is started for them, nothing is unlocked, and no file with a secret is opened.
 */
import type { Completions } from '../../shared/command-line/grammar.ts';

/** Of whatever lies there, what is a name: as NAME_PATTERN has it. */
const IF_NAME = 'case $n in "" | [!A-Za-z0-9]* | *[!A-Za-z0-9._-]*) ;; *) echo "$n" ;; esac';

/** As configFolder in profile-store.ts: a relative XDG_CONFIG_HOME is ignored. */
const FOLDER = `case \${XDG_CONFIG_HOME-} in /*) d=$XDG_CONFIG_HOME ;; *) d=$HOME/.config ;; esac; d=$d/knock-otp`;

const PROFILES = `for f in "$d"/profiles/*.profile; do n=\${f##*/}; n=\${n%.profile}; n=\${n%%@*}; ${IF_NAME}; done`;

const GROUPS = `if [ -r "$d/groups" ]; then while IFS="=\t " read -r n rest || [ -n "$n" ]; do ${IF_NAME}; done < "$d/groups"; fi`;

const DOORS = `for f in "$d"/profiles/*@*.profile; do n=\${f##*@}; n=\${n%.profile}; ${IF_NAME}; done`;

const list = (...parts: readonly string[]) => `${FOLDER}; { ${parts.join('; ')}; } | sort -u`;

export const completions: Completions = {
  program: 'knock-otp',
  kinds: {
    host: 'hosts',
    hosts: 'hosts',
    more: 'hosts',
    words: 'hosts',
    command: 'programs',
    door: 'doors',
    file: 'files',
    'remove name': 'profiles',
    'show host': 'profiles',
    'lock host': 'profiles',
    'unlock host': 'profiles',
    'doctor host': 'profiles',
    'group add hosts': 'profiles',
    'group add name': 'groups',
    'group remove name': 'groups',
    // Words that nobody can guess.
    ...Object.fromEntries(
      ['address', 'ms', 'n', 'name', 'name@server', 'port', 'seconds', 'server', 'unix-seconds', 'uri'].map((name) => [
        name,
        'nothing',
      ]),
    ),
  },
  lists: { profiles: list(PROFILES), groups: list(GROUPS), hosts: list(PROFILES, GROUPS), doors: list(DOORS) },
  optionsAnywhere: false,
  passThrough: ['ssh'],
};
