/** What a client must know of a door, as the profile URI carries it: the configured door's shape and the new secret. */
import type { Profile } from '../../shared/profile-uri.ts';
import type { Secret } from '../../shared/secret.ts';
import type { ConfiguredDoor, ServerConfig } from './config.ts';

export interface ProfileOptions {
  readonly client: string;
  readonly secret: Secret;
  /** Name or address to knock at; the user may give it later. */
  readonly host?: string;
}

/** The client's half of an enrolment. Holds the secret. HOTP begins at 0: a new secret has an owner of its own. */
export function enrolledProfile(config: ServerConfig, door: ConfiguredDoor, options: ProfileOptions): Profile {
  const { policy, action } = door;
  const byTime = policy.mode === 'totp';
  return {
    server: config.serverId,
    door: door.name,
    client: options.client,
    mode: policy.mode,
    secret: options.secret,
    ...(options.host === undefined ? {} : { host: options.host }),
    knocks: policy.shape.knocks,
    range: door.range,
    exclude: door.exclude,
    protocols: policy.shape.protocols,
    order: policy.order,
    step: byTime ? policy.stepSeconds : 0,
    window: byTime ? policy.window : 0,
    counter: 0,
    seqTimeout: policy.seqTimeoutMs / 1000,
    services: action.kind === 'nftables' ? action.services : [],
  };
}
