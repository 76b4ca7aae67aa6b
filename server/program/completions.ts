/**
 * What the shells complete behind `knock-otpd`. Doors and clients come from the usual configuration, read by the shell
 * where its user can: a name of a file is all that is looked at of a secret.
 */
import type { Completions } from '../../shared/command-line/grammar.ts';
import { DEFAULT_CONFIGS } from '../config/find-config.ts';

const FILE = `for c in ${DEFAULT_CONFIGS.join(' ')}; do [ ! -e $c ] || break; done; [ -r $c ] || exit 0`;

const IF_NAME = 'case $n in "" | [!A-Za-z0-9]* | *[!A-Za-z0-9._-]*) ;; *) echo "$n" ;; esac';

const DOORS = `${FILE}; while read -r n || [ -n "$n" ]; do case $n in "["*"]") n=\${n#"["}; n=\${n%"]"}; [ "$n" = options ] || ${IF_NAME} ;; esac; done < $c`;

const CLIENTS = `${FILE}; d=/etc/knock-otp/clients; while IFS="=\t " read -r k v || [ -n "$k" ]; do [ "$k" != clients_dir ] || d=$v; done < $c; for f in "$d"/*.client; do n=\${f##*/}; n=\${n%.client}; ${IF_NAME}; done`;

const INTERFACES = `echo any; for f in /sys/class/net/*; do [ ! -e "$f" ] || echo "\${f##*/}"; done`;

export const completions: Completions = {
  program: 'knock-otpd',
  kinds: {
    file: 'files',
    folder: 'folders',
    names: 'interfaces',
    door: 'doors',
    'revoke name': 'clients',
    'enroll name': 'clients',
    ...Object.fromEntries(
      ['address', 'addresses', 'id', 'name', 'number', 'ports', 'time', 'what'].map((name) => [name, 'nothing']),
    ),
  },
  lists: { doors: DOORS, clients: CLIENTS, interfaces: INTERFACES },
  optionsAnywhere: true,
  passThrough: [],
};
