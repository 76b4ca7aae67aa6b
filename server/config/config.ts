/**
 * The types of a checked configuration, as the daemon uses it. `read-config.ts` reads the file, `sections/schema.ts` has
 * the defaults, docs/CONFIG.md is the reference.
 */
import type { PortRanges } from '../../shared/allowed-ports.ts';
import type { Knock } from '../../shared/knock.ts';
import type { DoorPolicy, ListedDoor } from '../core/door.ts';
import type { ThrottleLimits } from '../core/throttle.ts';
import type { ServiceTerms } from '../demand/service-terms.ts';
import type { DoorAction } from '../firewall/firewall.ts';
import type { LogFormat } from '../log/log-sinks.ts';
import type { NotifyConfig } from '../log/notify-command.ts';
import type { MetricsAddress } from './metrics-address.ts';
import type { ScanOptions } from './sections/read-scans.ts';

interface AnyDoor {
  readonly name: string;
  readonly action: DoorAction;
  /** A service that a knock starts and the daemon stops when it is idle. */
  readonly service?: ServiceTerms;
  /** The configured upper limit for the stray budget. */
  readonly maxStraysLimit?: number;
}

/** `otp`: sequences are derived from the clients' secrets. */
export interface DerivedDoor extends AnyDoor {
  readonly kind: 'derived';
  /** Without `maxStrays`, which depends on the number of enrolled clients: see `stray-budget.ts`. */
  readonly policy: Omit<DoorPolicy, 'maxStrays'>;
  readonly range: PortRanges;
  readonly exclude: PortRanges;
  /** The clients that may knock; undefined means every client that is enrolled at this door. */
  readonly clients?: readonly string[];
  /** Accepts a door below 48 bits of entropy. */
  readonly allowLowEntropy: boolean;
  /** With `capture = listen`: listening ports per time step, live ones and decoys. */
  readonly listenPorts?: number;
}

/** Without `maxStrays`, which depends on each sequence: see shared/written-odds. */
type WrittenPolicy = Omit<ListedDoor, 'maxStrays'>;

/** `sequence`: one fixed sequence for all sources. */
export interface StaticDoor extends AnyDoor {
  readonly kind: 'static';
  readonly policy: WrittenPolicy;
  readonly sequence: readonly Knock[];
}

/** `one_time_sequences`: the lines of a file, each for one use. */
export interface FileDoor extends AnyDoor {
  readonly kind: 'file';
  readonly policy: WrittenPolicy;
  readonly file: string;
}

export type WrittenDoor = StaticDoor | FileDoor;
export type ConfiguredDoor = DerivedDoor | WrittenDoor;

export interface ServerConfig {
  readonly file: string;
  readonly serverId: string;
  readonly interfaces: readonly string[];
  /** Undefined: kernel if available, otherwise pcap. */
  readonly capture?: 'kernel' | 'pcap' | 'listen';
  /** The NFLOG group of `capture = kernel`. */
  readonly nflogGroup: number;
  readonly stateDir: string;
  readonly clientsDir: string;
  readonly logFile?: string;
  readonly pidFile?: string;
  readonly useSyslog: boolean;
  readonly throttle: ThrottleLimits;
  /** Absent without a scan_command. */
  readonly scans?: ScanOptions;
  readonly logFormat: LogFormat;
  readonly metrics?: MetricsAddress;
  readonly notify?: NotifyConfig;
  readonly doors: readonly ConfiguredDoor[];
}
