/**
 * The systemd unit of knock-otpd and its drop-in, as text. Pure. The unit is the same for every configuration and allows what
 * all of them need; what one needs besides is unit-needs.ts's. docs/INSTALL.md says how to loosen it by hand.
 */
export const UNIT_NAME = 'knock-otpd.service';
export const STATE_FOLDER = '/var/lib/knock-otp';
/** Where the service may write whatever the configuration says. */
export const OWN_FOLDERS = [STATE_FOLDER, '/run/knock-otp', '/var/log/knock-otp'] as const;
/** How long the daemon may take to end, where the configuration does not need more. */
export const STOP_SECONDS = 30;

export interface UnitTerms {
  /** The comment that begins the file, without `#`. */
  readonly origin: string;
  /** Absolute paths of node and of knock-otpd's main file, with nothing in them that a unit would read otherwise. */
  readonly node: string;
  readonly program: string;
  /** Absent: where the daemon looks by itself. */
  readonly configFile?: string;
  /** For `systemctl help`; absent: none. */
  readonly documentation?: string;
  /** Whether the daemon can tell systemd that it is ready and that it lives; without koffi it cannot. */
  readonly notifies: boolean;
  /** A file of variables, of which KNOCK_OTPD_OPTIONS is put on the command line. */
  readonly optionsFile?: string;
}

export function systemdUnit({
  origin,
  node,
  program,
  configFile,
  documentation,
  notifies,
  optionsFile,
}: UnitTerms): string {
  const words = [node, program, ...(configFile === undefined ? [] : ['-c', configFile])].join(' ');
  const options = optionsFile === undefined ? '' : ' $KNOCK_OTPD_OPTIONS';
  const configs = configFile === undefined ? ['|/etc/knock-otp.conf', '|/etc/knockd.conf'] : [configFile];
  return `# ${origin}
[Unit]
Description=knock-otpd, opens doors to one-time knocks
${documentation === undefined ? '' : `Documentation=${documentation}\n`}${configs.map((path) => `ConditionPathExists=${path}`).join('\n')}
# The doors are shut before the network is up. So it is started early, and what such a service has by default is named here;
# whoever loads a whole ruleset goes first.
DefaultDependencies=no
Wants=network-pre.target
Before=network-pre.target shutdown.target
After=local-fs.target systemd-tmpfiles-setup.service time-set.target
After=nftables.service netfilter-persistent.service ufw.service firewalld.service
Conflicts=shutdown.target
# It is tried again for as long as it takes: while it is gone, nobody gets in.
StartLimitIntervalSec=0

[Service]
${notifies ? 'Type=notify\nNotifyAccess=main' : 'Type=exec'}
${optionsFile === undefined ? '' : `EnvironmentFile=-${optionsFile}\n`}ExecStart=${words}${options}
ExecReload=${words} reload${options}
Restart=always
RestartSec=2
${notifies ? 'WatchdogSec=30\n' : ''}TimeoutStartSec=60
TimeoutStopSec=${STOP_SECONDS}
# The daemon alone is told to stop: it ends what it has started, and closes what is open by commands.
KillMode=mixed
OOMScoreAdjust=-500
# Memory holds secrets.
LimitCORE=0
UMask=0077
StateDirectory=knock-otp
StateDirectoryMode=0700
RuntimeDirectory=knock-otp
RuntimeDirectoryMode=0700
LogsDirectory=knock-otp
LogsDirectoryMode=0750

# Root with nothing but what nftables and the capture take. Its files belong to root, so that enroll and revoke need no more.
CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW
NoNewPrivileges=yes
# No internet socket: packets come by AF_PACKET or netlink.
RestrictAddressFamilies=AF_UNIX AF_NETLINK AF_PACKET
IPAddressDeny=any
# capset and seccomp: by them the capture child gives up the rest. chown: files that are replaced keep their owner.
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallFilter=@chown capset seccomp
SystemCallErrorNumber=EPERM
SystemCallArchitectures=native
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateMounts=yes
PrivateDevices=yes
ProtectProc=invisible
ProtectClock=yes
ProtectHostname=yes
ProtectControlGroups=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
# libpcap makes itself the kernel's logger of IPv4; the capture child puts back what was there.
ReadWritePaths=-/proc/sys/net/netfilter/nf_log
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
# Not MemoryDenyWriteExecute: V8 compiles, and koffi makes its calls, into memory that is written and then run.

[Install]
WantedBy=multi-user.target
`;
}

/** @param origin begins the file as a comment */
export function dropIn(origin: string, needs: readonly Need[]): string {
  const parts = needs.map(({ reason, settings }) => [`# ${reason}`, ...settings, ''].join('\n'));
  return `# ${origin}\n[Service]\n${parts.join('')}`;
}

export interface Need {
  /** Which words of the configuration ask for it. */
  readonly reason: string;
  /** Settings of systemd.exec(5) and systemd.resource-control(5), whole lines. */
  readonly settings: readonly string[];
}
