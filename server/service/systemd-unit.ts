/**
 * The systemd unit of knock-otpd and its drop-in, as text. Pure. The unit is the same for every configuration and
 * allows only what all of them need. `unit-needs.ts` finds what a configuration needs in addition. docs/INSTALL.md
 * explains how to loosen the unit by hand.
 */
export const UNIT_NAME = 'knock-otpd.service';
export const STATE_FOLDER = '/var/lib/knock-otp';
/** Folders that the service may write to in every configuration. */
export const OWN_FOLDERS = [STATE_FOLDER, '/run/knock-otp', '/var/log/knock-otp'] as const;
/** How long the daemon may take to end, where the configuration does not need more. */
export const STOP_SECONDS = 30;

export interface UnitTerms {
  /** The comment that begins the file, without `#`. */
  readonly origin: string;
  /** Absolute paths of node and of knock-otpd's main file, without characters that are special in a unit. */
  readonly node: string;
  readonly program: string;
  /** Absent: the daemon looks in its default places. */
  readonly configFile?: string;
  /** For `systemctl help`; absent: none. */
  readonly documentation?: string;
  /** Whether the daemon can tell systemd that it is ready and alive; without koffi it cannot. */
  readonly notifies: boolean;
  /** A file of variables; KNOCK_OTPD_OPTIONS from it is added to the command line. */
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
# Start early, so that the doors are shut before the network is up. Such a service must list its dependencies itself.
# Services that load a whole ruleset come first.
DefaultDependencies=no
Wants=network-pre.target
Before=network-pre.target shutdown.target
After=local-fs.target systemd-tmpfiles-setup.service time-set.target
After=nftables.service netfilter-persistent.service ufw.service firewalld.service
Conflicts=shutdown.target
# Restart without limit: while the daemon is gone, no knock opens a door.
StartLimitIntervalSec=0

[Service]
${notifies ? 'Type=notify\nNotifyAccess=main' : 'Type=exec'}
${optionsFile === undefined ? '' : `EnvironmentFile=-${optionsFile}\n`}ExecStart=${words}${options}
ExecReload=${words} reload${options}
Restart=always
RestartSec=2
${notifies ? 'WatchdogSec=30\n' : ''}TimeoutStartSec=60
TimeoutStopSec=${STOP_SECONDS}
# Only the daemon gets the stop signal: it ends its children, and closes what is open by commands.
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

# Root with only the capabilities for nftables and the capture. The files belong to root, so enroll and revoke need no more.
CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW
NoNewPrivileges=yes
# No internet sockets: packets come through AF_PACKET or netlink.
RestrictAddressFamilies=AF_UNIX AF_NETLINK AF_PACKET
IPAddressDeny=any
# capset and seccomp: the capture child drops its other rights with them. chown: replaced files keep their owner.
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
# libpcap becomes the kernel's logger of IPv4; the capture child restores the earlier one.
ReadWritePaths=-/proc/sys/net/netfilter/nf_log
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
# Not MemoryDenyWriteExecute: V8 and koffi write machine code into memory and then run it.

[Install]
WantedBy=multi-user.target
`;
}

/** The drop-in. @param origin the comment that begins the file */
export function dropIn(origin: string, needs: readonly Need[]): string {
  const parts = needs.map(({ reason, settings }) => [`# ${reason}`, ...settings, ''].join('\n'));
  return `# ${origin}\n[Service]\n${parts.join('')}`;
}

export interface Need {
  /** The keys of the configuration that need it. */
  readonly reason: string;
  /** Settings of systemd.exec(5) and systemd.resource-control(5), whole lines. */
  readonly settings: readonly string[];
}
