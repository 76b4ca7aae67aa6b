/** The configuration of a bastion, from what a test asks for. */
import { join } from 'node:path';

/** The port that doors hide unless a test says otherwise. */
export const HIDDEN_PORT = 22;
/** The door of the barrier: every bastion has this door too. */
export const BARRIER_DOOR = 'barrier';

export interface BastionOptions {
  /** Sections of the configuration; `[ssh]` with `otp = totp` and a grant of 30 s when not given. */
  readonly doors?: string;
  readonly serverId?: string;
  readonly interfaces?: string;
  readonly capture?: 'kernel' | 'pcap';
  /** The name of another state directory. */
  readonly stateDir?: string;
  /** False leaves the hidden port to the test; otherwise a greeting service stands there. */
  readonly service?: boolean;
}

const DEFAULT_DOOR = `[ssh]
otp = totp
open = nftables tcp/${HIDDEN_PORT}
cmd_timeout = 30
`;

/** The text of knock-otp.conf; the state and the clients are below `dir`. */
export function configText(dir: string, options: BastionOptions): string {
  const { doors = DEFAULT_DOOR, serverId = 'bastion', interfaces = 'eth0', capture, stateDir = 'state' } = options;
  return `[options]
interface = ${interfaces}
server_id = ${serverId}
state_dir = ${join(dir, stateDir)}
clients_dir = ${join(dir, 'clients')}
${capture === undefined ? '' : `capture = ${capture}\n`}
[${BARRIER_DOOR}]
otp = hotp
look_ahead = 50
open = nftables tcp/9
cmd_timeout = 1

${doors}`;
}
