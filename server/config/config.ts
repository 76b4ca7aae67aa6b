/**
 * The configuration as the daemon uses it: typed, checked, frozen. Reading the file is server/config/read-config,
 * docs/CONFIG.md is its reference. Defaults stand in the schema, not here and not in the core.
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
  /** A service that a knock starts, and that is stopped when it is idle. */
  readonly service?: ServiceTerms;
  /** An upper limit for the stray budget, where the administrator gives one. */
  readonly maxStraysLimit?: number;
}

/** `otp`: sequences follow from its clients' secrets. */
export interface DerivedDoor extends AnyDoor {
  readonly kind: 'derived';
  /** Without `maxStrays`: that follows from the number of enrolled clients, see stray budget in shared/odds. */
  readonly policy: Omit<DoorPolicy, 'maxStrays'>;
  readonly range: PortRanges;
  readonly exclude: PortRanges;
  /** Who may knock; undefined means every client that is enrolled at this door. */
  readonly clients?: readonly string[];
  /** The administrator insists on a door below 48 bits of entropy. */
  readonly allowLowEntropy: boolean;
  /** Where ports listen for knocks: how many do for each time step, live ones and decoys. */
  readonly listenPorts?: number;
}

/** Without `maxStrays`: that follows from each sequence, see shared/written-odds. */
type WrittenPolicy = Omit<ListedDoor, 'maxStrays'>;

/** `sequence`: one sequence for everyone and for ever. */
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
  /** Undefined: the kernel chooses packets where it can. */
  readonly capture?: 'kernel' | 'pcap' | 'listen';
  /** The group that it hands them over by. */
  readonly nflogGroup: number;
  readonly stateDir: string;
  readonly clientsDir: string;
  readonly logFile?: string;
  readonly pidFile?: string;
  readonly useSyslog: boolean;
  readonly throttle: ThrottleLimits;
  /** Absent where nobody is told of scans. */
  readonly scans?: ScanOptions;
  readonly logFormat: LogFormat;
  readonly metrics?: MetricsAddress;
  readonly notify?: NotifyConfig;
  readonly doors: readonly ConfiguredDoor[];
}
