/**
 * What shells complete after `knock-otp`. The shell takes the names of hosts from the names of the profile files: this
 * starts no process of knock-otp, unlocks nothing, and opens no file with a secret.
 */
import type { Completions } from '../../shared/command-line/grammar.ts';

/** Prints only valid names, as NAME_PATTERN defines them. */
const IF_NAME = 'case $n in "" | [!A-Za-z0-9]* | *[!A-Za-z0-9._-]*) ;; *) echo "$n" ;; esac';

/** Like configFolder in profile-store.ts: a relative XDG_CONFIG_HOME is ignored. */
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
    // Words without a list of values.
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
