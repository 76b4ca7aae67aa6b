/**
 * Every key of the configuration: its section, type, default, range and what it does. The reader, the near-miss hints
 * and the test of docs/CONFIG.md go by this table; a key that is not here does not exist. What the values must be to each
 * other is in read-options and read-door.
 */
import { DEFAULT_EXCLUDE_PORTS, DEFAULT_PORT_RANGE } from '../../../shared/allowed-ports.ts';
import { MAX_KNOCKS, MIN_KNOCKS } from '../../../shared/derive.ts';
import { DEFAULT_STEP_SECONDS } from '../../../shared/moving-factor.ts';
import { MAX_STRAYS } from '../../../shared/odds.ts';

export type ValueType =
  | 'integer' // decimal digits, from and to given
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
  | 'command' // to the letter
  | 'sequence' // knockd's: ports with commas, each with :tcp or :udp or neither
  | 'flags' // TCP flags with commas, each may have a !
  | 'user' // of this system
  | 'address'
  | 'metrics' // an address of loopback with a port, or the path of a socket
  | 'networks'; // addresses and networks with commas

export interface KeySpec {
  readonly type: ValueType;
  readonly aliases?: readonly string[];
  /** As it would be written in the file. */
  readonly default?: string;
  /** The default at doors with `sequence` or `one_time_sequences`, where it is another: knockd's. */
  readonly written?: string;
  /** Where the default is not a text: what it is. */
  readonly otherwise?: string;
  readonly from?: number;
  readonly to?: number;
  readonly choices?: readonly string[];
  readonly doc: string;
}

export type Table = Readonly<Record<string, KeySpec>>;

export const OPTIONS_SECTION = 'options';

export const optionKeys = {
  interface: {
    type: 'interfaces',
    otherwise: 'the interface of the default route, `any` where there is none',
    doc: 'where to listen: one interface, several with commas, or `any`',
  },
  capture: {
    type: 'choice',
    choices: ['kernel', 'pcap', 'listen'],
    otherwise: '`kernel` where nftables and NFLOG are there, `pcap` elsewhere',
    doc: 'how knocks are heard: packets that nftables chooses in the kernel, all packets by libpcap, or ports that listen',
  },
  listen_ports: {
    type: 'integer',
    default: '512',
    from: 64,
    to: 16_384,
    doc: 'ports that listen for each time step with `capture = listen`: those of live sequences, and decoys',
  },
  nflog_group: {
    type: 'integer',
    default: '7077',
    from: 1,
    to: 65_535,
    doc: 'the NFLOG group of `capture = kernel`; no other program may listen to it',
  },
  server_id: {
    type: 'name',
    otherwise: 'the host name',
    doc: 'this server in every derivation: a knock seen here is worth nothing at a server of another id',
  },
  state_dir: { type: 'path', default: '/var/lib/knock-otp', doc: 'where spent factors and grants are kept' },
  clients_dir: { type: 'path', default: '/etc/knock-otp/clients', doc: "where the clients' secret files are" },
  logfile: { type: 'path', otherwise: 'none', doc: 'a file for the log besides standard error' },
  pidfile: { type: 'path', otherwise: 'none', doc: "a file for the daemon's process number" },
  usesyslog: { type: 'switch', default: 'no', doc: 'log to syslog too' },
  log_format: {
    type: 'choice',
    choices: ['text', 'json'],
    default: 'text',
    doc: 'lines for people, or one JSON object a line for programs',
  },
  throttle_failures: {
    type: 'integer',
    default: '5',
    from: 0,
    to: 1000,
    doc: 'failures that a source may have at a door before it is locked out; 0 locks out nobody',
  },
  throttle_time: { type: 'integer', default: '60', from: 1, to: 3600, doc: 'seconds of the first lock-out' },
  scan_command: { type: 'command', otherwise: 'none', doc: 'what to run when a source has tried many ports' },
  scan_shell: { type: 'switch', default: 'no', doc: 'give the scan_command to /bin/sh' },
  scan_threshold: {
    type: 'integer',
    default: '100',
    from: 20,
    to: 256,
    doc: 'distinct TCP ports that make a scan',
  },
  never_ban: { type: 'networks', otherwise: 'none', doc: 'addresses and networks that are never reported' },
  metrics: { type: 'metrics', otherwise: 'none', doc: 'where Prometheus fetches metrics: loopback, or a Unix socket' },
  notify_command: { type: 'command', otherwise: 'none', doc: 'what to run when something has happened' },
  notify_events: {
    type: 'names',
    default: 'open, refuse, contested, exhausted, capture-down',
    doc: 'when to run it, with commas',
  },
  notify_shell: { type: 'switch', default: 'no', doc: 'give the notify_command to /bin/sh' },
} as const satisfies Table;

export const doorKeys = {
  otp: {
    type: 'choice',
    choices: ['totp', 'hotp'],
    otherwise: 'none; a door has this, `sequence` or `one_time_sequences`',
    doc: 'what a knock is derived from: the time, or a counter',
  },
  sequence: { type: 'sequence', otherwise: 'none', doc: 'one sequence that opens the door for everyone, for ever' },
  one_time_sequences: { type: 'path', otherwise: 'none', doc: 'a file of sequences, one a line, each for one use' },
  clients: { type: 'names', otherwise: 'everyone enrolled at this door', doc: 'who may knock, with commas' },
  knocks: { type: 'integer', default: '6', from: MIN_KNOCKS, to: MAX_KNOCKS, doc: 'knocks of a sequence' },
  port_range: { type: 'ports', default: DEFAULT_PORT_RANGE, doc: 'ports that a knock may go to' },
  exclude_ports: {
    type: 'ports',
    default: DEFAULT_EXCLUDE_PORTS,
    doc: 'ports of the range that a knock never goes to; the ports that the door opens are always among them',
  },
  protocols: { type: 'choice', choices: ['tcp', 'udp', 'both'], default: 'tcp', doc: 'what a knock may be' },
  order: {
    type: 'choice',
    choices: ['any', 'strict'],
    default: 'any',
    doc: 'whether knocks that the network reordered still count',
  },
  bind: {
    type: 'choice',
    choices: ['none', 'source'],
    default: 'none',
    doc: 'whether a knock opens only for the address that its sender says is his',
  },
  step: { type: 'integer', default: `${DEFAULT_STEP_SECONDS}`, from: 1, to: 3600, doc: 'seconds of a time step; totp' },
  window: { type: 'integer', default: '1', from: 0, to: 10, doc: 'time steps accepted before and after now; totp' },
  look_ahead: {
    type: 'integer',
    default: '10',
    written: '1',
    from: 0,
    to: 100,
    doc: 'counters accepted beyond the next one; hotp',
  },
  seq_timeout: {
    type: 'integer',
    aliases: ['timeout'],
    default: '10',
    written: '25',
    from: 1,
    to: 3600,
    doc: 'seconds that a whole sequence may take',
  },
  max_strays: {
    type: 'integer',
    from: 0,
    to: MAX_STRAYS,
    otherwise: 'as many as the odds allow',
    doc: 'an upper limit for wrong ports within a knock',
  },
  contested: {
    type: 'choice',
    choices: ['first', 'refuse'],
    default: 'first',
    doc: 'what becomes of a one-time sequence that two sources know: the first to complete it is let in, or nobody is',
  },
  penalty: {
    type: 'integer',
    default: '0',
    from: 0,
    to: 86_400,
    doc: 'seconds that a source is ignored after a wrong combination; 0 is never',
  },
  allow_low_entropy: { type: 'switch', default: 'no', doc: 'accept a door of fewer than 48 bits' },
  target: {
    type: 'address',
    otherwise: "this host's own addresses",
    doc: 'the address that knocks are sent to, where this host only forwards them',
  },
  tcpflags: {
    type: 'flags',
    otherwise: 'SYN without ACK; any TCP packet at a door with `sequence` or `one_time_sequences`',
    doc: 'which TCP packets knock',
  },
  open: {
    type: 'open',
    otherwise: 'none; a door has this or `start_command`, or both with `stop_when`',
    doc: 'what a firewall hides and opens to the one who knocked',
  },
  open_once: {
    type: 'switch',
    default: 'no',
    doc: 'a grant admits one new connection and is over; nftables only',
  },
  start_command: { type: 'command', aliases: ['command'], otherwise: 'none', doc: 'what to run to open' },
  start_command_6: {
    type: 'command',
    aliases: ['command_6'],
    otherwise: 'the start_command',
    doc: 'what to run to open for an IPv6 address',
  },
  stop_command: { type: 'command', otherwise: 'none', doc: 'what to run to close' },
  stop_command_6: {
    type: 'command',
    otherwise: 'the stop_command',
    doc: 'what to run to close for an IPv6 address',
  },
  stop_when: {
    type: 'idle',
    otherwise: 'none; the stop_command runs when the grant ends',
    doc: 'makes the commands those of a service: started by a knock, stopped when it has been idle for so long',
  },
  service: {
    type: 'services',
    otherwise: 'the TCP ports of `open`',
    doc: 'TCP ports whose connections tell whether the service is in use',
  },
  stop_any: {
    type: 'switch',
    default: 'no',
    doc: 'stop the service too when it was running before a knock came',
  },
  shell: { type: 'switch', default: 'no', doc: 'give the commands to /bin/sh' },
  run_as: { type: 'user', otherwise: "the daemon's user", doc: 'the user whose rights the commands have' },
  cmd_timeout: {
    type: 'integer',
    default: '30',
    written: '10',
    from: 1,
    to: 604_800,
    doc: 'seconds that a grant lasts',
  },
} as const satisfies Table;

/** The key of `table` that `name` (lower case) says, by its own name or an alias. */
export function findKey(table: Table, name: string): string | undefined {
  if (Object.hasOwn(table, name)) return name;
  return Object.keys(table).find((key) => table[key]?.aliases?.includes(name));
}
