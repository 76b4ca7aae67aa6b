/**
 * The table of all configuration keys: section, type, default, range and purpose. The reader, the hints for misspelt keys,
 * and the tests of docs/CONFIG.md and of the manual use it. A key that is not here does not exist. `read-options.ts` and
 * `read-door.ts` check how keys depend on each other.
 */
import { DEFAULT_EXCLUDE_PORTS, DEFAULT_PORT_RANGE } from '../../../shared/allowed-ports.ts';
import { MAX_KNOCKS, MIN_KNOCKS } from '../../../shared/derive.ts';
import { DEFAULT_STEP_SECONDS } from '../../../shared/moving-factor.ts';
import { MAX_STRAYS } from '../../../shared/odds.ts';

export type ValueType =
  | 'integer' // decimal digits, within from and to
  | 'choice'
  | 'switch' // yes or no; without a value: yes
  | 'name' // NAME_PATTERN
  | 'names' // with commas
  | 'interfaces' // with commas
  | 'path' // absolute
  | 'idle' // `idle` and a duration
  | 'services' // TCP ports with commas, as tcp/22
  | 'ports' // ranges with commas; may be empty
  | 'open' // `nftables tcp/22, ...`, `hosts.allow sshd`
  | 'command' // verbatim
  | 'sequence' // knockd's: ports with commas, each with :tcp or :udp or neither
  | 'flags' // TCP flags with commas, each optionally with !
  | 'user' // of this system
  | 'address'
  | 'metrics' // a loopback address with a port, or a socket path
  | 'networks'; // addresses and networks with commas

export interface KeySpec {
  readonly type: ValueType;
  readonly aliases?: readonly string[];
  /** As written in the file. */
  readonly default?: string;
  /** The default at a written door (`sequence` or `one_time_sequences`) if it differs: knockd's default. */
  readonly written?: string;
  /** Describes a default that no text of the file can express. */
  readonly otherwise?: string;
  readonly from?: number;
  readonly to?: number;
  readonly choices?: readonly string[];
  /** One line for the table at the head of docs/CONFIG.md, word for word. */
  readonly doc: string;
}

export type Table = Readonly<Record<string, KeySpec>>;

export const OPTIONS_SECTION = 'options';

export const optionKeys = {
  interface: {
    type: 'interfaces',
    otherwise: 'the interface of the default route, or `any` if there is none',
    doc: 'where the daemon listens: one network interface, several with commas, or `any`',
  },
  capture: {
    type: 'choice',
    choices: ['kernel', 'pcap', 'listen'],
    otherwise: '`kernel` if nftables and NFLOG are available, otherwise `pcap`',
    doc: 'how the daemon receives knocks: `kernel` (nftables selects packets), `pcap` (libpcap) or `listen` (open ports)',
  },
  listen_ports: {
    type: 'integer',
    default: '512',
    from: 64,
    to: 16_384,
    doc: 'how many ports listen for each time step with `capture = listen`: ports of live sequences, and decoys',
  },
  nflog_group: {
    type: 'integer',
    default: '7077',
    from: 1,
    to: 65_535,
    doc: 'the NFLOG group of `capture = kernel`; no other program may use it',
  },
  server_id: {
    type: 'name',
    otherwise: 'the host name',
    doc: 'the name of this server in every derivation: a knock for one id is worth nothing at a server with another',
  },
  state_dir: { type: 'path', default: '/var/lib/knock-otp', doc: 'the directory for spent factors and grants' },
  clients_dir: { type: 'path', default: '/etc/knock-otp/clients', doc: "the directory with the clients' secret files" },
  logfile: { type: 'path', otherwise: 'none', doc: 'a log file, in addition to standard error' },
  pidfile: { type: 'path', otherwise: 'none', doc: "a file for the daemon's process ID" },
  usesyslog: { type: 'switch', default: 'no', doc: 'also send the log to syslog' },
  log_format: {
    type: 'choice',
    choices: ['text', 'json'],
    default: 'text',
    doc: 'the format of log lines: text for people, or one JSON object per line for programs',
  },
  throttle_failures: {
    type: 'integer',
    default: '5',
    from: 0,
    to: 1000,
    doc: 'how many failures a source may have at a door; the next one locks it out, and 0 turns lock-outs off',
  },
  throttle_time: { type: 'integer', default: '60', from: 1, to: 3600, doc: 'seconds of the first lock-out' },
  scan_command: { type: 'command', otherwise: 'none', doc: 'the command to run when one source has tried many ports' },
  scan_shell: { type: 'switch', default: 'no', doc: 'run the scan_command with /bin/sh' },
  scan_threshold: {
    type: 'integer',
    default: '100',
    from: 20,
    to: 256,
    doc: 'how many different TCP ports make a scan',
  },
  never_ban: {
    type: 'networks',
    otherwise: 'none',
    doc: 'addresses and networks that the daemon never reports to the scan_command',
  },
  metrics: {
    type: 'metrics',
    otherwise: 'none',
    doc: 'where the daemon serves metrics for Prometheus: a loopback address with a port, or a Unix socket',
  },
  notify_command: {
    type: 'command',
    otherwise: 'none',
    doc: 'the command to run for events such as an opening or a refusal',
  },
  notify_events: {
    type: 'names',
    default: 'open, refuse, contested, exhausted, capture-down',
    doc: 'which events run the notify_command',
  },
  notify_shell: { type: 'switch', default: 'no', doc: 'run the notify_command with /bin/sh' },
} as const satisfies Table;

export const doorKeys = {
  otp: {
    type: 'choice',
    choices: ['totp', 'hotp'],
    otherwise: 'none; a door needs one of `otp`, `sequence` and `one_time_sequences`',
    doc: 'what the sequences are derived from: the time (`totp`) or a counter (`hotp`)',
  },
  sequence: {
    type: 'sequence',
    otherwise: 'none',
    doc: 'one fixed sequence that opens the door for everyone, every time',
  },
  one_time_sequences: {
    type: 'path',
    otherwise: 'none',
    doc: 'a file of sequences, one per line; each line opens the door once',
  },
  clients: {
    type: 'names',
    otherwise: 'every client that is enrolled at this door',
    doc: 'which clients may knock at this door',
  },
  knocks: { type: 'integer', default: '6', from: MIN_KNOCKS, to: MAX_KNOCKS, doc: 'how many knocks a sequence has' },
  port_range: { type: 'ports', default: DEFAULT_PORT_RANGE, doc: 'the ports that a knock may go to' },
  exclude_ports: {
    type: 'ports',
    default: DEFAULT_EXCLUDE_PORTS,
    doc: 'ports of `port_range` that a knock never goes to; the ports that the door opens are always excluded too',
  },
  protocols: {
    type: 'choice',
    choices: ['tcp', 'udp', 'both'],
    default: 'tcp',
    doc: 'which packets a knock may be: a TCP SYN, a UDP datagram, or either',
  },
  order: {
    type: 'choice',
    choices: ['any', 'strict'],
    default: 'any',
    doc: 'whether a sequence counts when its knocks arrive in another order',
  },
  bind: {
    type: 'choice',
    choices: ['none', 'source'],
    default: 'none',
    doc: 'whether a sequence opens only for the address that it was made for',
  },
  step: {
    type: 'integer',
    default: `${DEFAULT_STEP_SECONDS}`,
    from: 1,
    to: 3600,
    doc: 'length of a time step in seconds; only for `totp`',
  },
  window: {
    type: 'integer',
    default: '1',
    from: 0,
    to: 10,
    doc: 'how many time steps before and after the current one the daemon accepts; only for `totp`',
  },
  look_ahead: {
    type: 'integer',
    default: '10',
    written: '1',
    from: 0,
    to: 100,
    doc: 'how many counters after the next one the daemon accepts; with a file, how many lines are live',
  },
  seq_timeout: {
    type: 'integer',
    aliases: ['timeout'],
    default: '10',
    written: '25',
    from: 1,
    to: 3600,
    doc: 'how many seconds a whole sequence may take',
  },
  max_strays: {
    type: 'integer',
    from: 0,
    to: MAX_STRAYS,
    otherwise: 'as many as the odds allow',
    doc: 'an upper limit for the strays that the daemon forgives within a sequence',
  },
  contested: {
    type: 'choice',
    choices: ['first', 'refuse'],
    default: 'first',
    doc: 'what happens when two sources know one one-time sequence: the first to complete it gets in, or neither',
  },
  penalty: {
    type: 'integer',
    default: '0',
    from: 0,
    to: 86_400,
    doc: 'how many seconds the door ignores a source after a wrong combination; 0 turns penalties off',
  },
  allow_low_entropy: { type: 'switch', default: 'no', doc: 'accept a door with fewer than 48 bits of entropy' },
  target: {
    type: 'address',
    otherwise: "this host's own addresses",
    doc: 'the address that knocks are sent to, if this host only forwards them',
  },
  tcpflags: {
    type: 'flags',
    otherwise: 'SYN without ACK; any TCP packet at a written door',
    doc: 'which TCP packets count as knocks',
  },
  open: {
    type: 'open',
    otherwise: 'none; a door needs this or `start_command`, or both with `stop_when`',
    doc: 'which firewall opens which ports for the client',
  },
  open_once: {
    type: 'switch',
    default: 'no',
    doc: 'each grant admits one new connection; only with nftables',
  },
  start_command: { type: 'command', aliases: ['command'], otherwise: 'none', doc: 'the command that opens the door' },
  start_command_6: {
    type: 'command',
    aliases: ['command_6'],
    otherwise: 'the start_command',
    doc: 'the command that opens the door for an IPv6 address',
  },
  stop_command: { type: 'command', otherwise: 'none', doc: 'the command that closes the door' },
  stop_command_6: {
    type: 'command',
    otherwise: 'the stop_command',
    doc: 'the command that closes the door for an IPv6 address',
  },
  stop_when: {
    type: 'idle',
    otherwise: 'none; the stop_command runs when the grant ends',
    doc: 'makes the commands those of a service: a knock starts it, and the daemon stops it when it is idle',
  },
  service: {
    type: 'services',
    otherwise: 'the TCP ports of `open`',
    doc: 'the TCP ports whose connections show that the service is in use',
  },
  stop_any: { type: 'switch', default: 'no', doc: 'also stop a service that was already running before a knock' },
  shell: { type: 'switch', default: 'no', doc: 'run the commands with /bin/sh' },
  run_as: { type: 'user', otherwise: "the daemon's user", doc: 'the user who runs the commands' },
  command_timeout: {
    type: 'integer',
    from: 1,
    to: 600,
    otherwise: '`10`; `30` with `stop_when`',
    doc: 'how many seconds a command may take before the daemon kills it',
  },
  cmd_timeout: {
    type: 'integer',
    default: '30',
    written: '10',
    from: 1,
    to: 604_800,
    doc: 'how many seconds a grant lasts',
  },
} as const satisfies Table;

/** The key of `table` with this name or alias; `name` is lower case. */
export function findKey(table: Table, name: string): string | undefined {
  if (Object.hasOwn(table, name)) return name;
  return Object.keys(table).find((key) => table[key]?.aliases?.includes(name));
}
