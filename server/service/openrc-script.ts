/**
 * The OpenRC script of knock-otpd, as text. Pure. supervise-daemon starts the daemon again when it ends, and restarts
 * it when `status` fails: the daemon is deaf or does not answer.
 */

export interface ScriptTerms {
  /** The comment that follows the first line, without `#`. */
  readonly origin: string;
  /** Absolute paths without characters that are special to a shell. */
  readonly node: string;
  readonly program: string;
  readonly configFile: string;
}

export function openrcScript({ origin, node, program, configFile }: ScriptTerms): string {
  return `#!/sbin/openrc-run
# ${origin}

name=knock-otpd
description="Opens doors to one-time knocks"
extra_started_commands="reload"
description_reload="Reads the configuration again"

knock_otpd_config="\${KNOCK_OTPD_CONFIG:-${configFile}}"
supervisor=supervise-daemon
# Two capabilities of root, and no way to gain more. By setpriv of util-linux, because OpenRC's own settings for it differ.
knock_otpd_rights="--bounding-set -all,+net_admin,+net_raw --inh-caps -all --no-new-privs"
command=/usr/bin/setpriv
command_args="$knock_otpd_rights -- ${node} ${program} -c $knock_otpd_config \${KNOCK_OTPD_OPTIONS:-}"
required_files="$knock_otpd_config"
umask=077
# Restart without limit: while the daemon is gone, no knock opens a door.
respawn_delay=2
respawn_max=0
retry="TERM/30/KILL/5"
healthcheck_delay=60
healthcheck_timer=60
: "\${error_logger=logger --tag knock-otpd --priority daemon.info}"

depend() {
	need localmount
	after nftables iptables ip6tables firewall ufw firewalld
	# Shut the doors before the network is up.
	before net
}

healthcheck() {
	${node} ${program} -c "$knock_otpd_config" status >/dev/null 2>&1
}

reload() {
	ebegin "Reloading $name"
	${node} ${program} -c "$knock_otpd_config" reload
	eend $?
}
`;
}
