/**
 * The configuration as the daemon uses it: typed, checked, frozen. Reading the file is server/config/read-config,
 * docs/CONFIG.md is its reference. Defaults stand in the schema, not here and not in the core.
 */
import type { PortRanges } from '../../shared/allowed-ports.ts';
import type { DoorPolicy } from '../core/door.ts';
import type { DoorAction } from '../firewall/firewall.ts';

export interface ConfiguredDoor {
  readonly name: string;
  /** Without `maxStrays`: that follows from the number of enrolled clients, see stray budget in shared/odds. */
  readonly policy: Omit<DoorPolicy, 'maxStrays'>;
  readonly range: PortRanges;
  readonly exclude: PortRanges;
  readonly action: DoorAction;
  /** Who may knock; undefined means every client that is enrolled at this door. */
  readonly clients?: readonly string[];
  /** The administrator insists on a door below 48 bits of entropy. */
  readonly allowLowEntropy: boolean;
  /** An upper limit for the stray budget, where the administrator gives one. */
  readonly maxStraysLimit?: number;
}

export interface ServerConfig {
  readonly file: string;
  readonly serverId: string;
  readonly interfaces: readonly string[];
  readonly stateDir: string;
  readonly clientsDir: string;
  readonly logFile?: string;
  readonly pidFile?: string;
  readonly useSyslog: boolean;
  readonly doors: readonly ConfiguredDoor[];
}
