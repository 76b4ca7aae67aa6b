/** Which TCP port shows whether the door of a profile is open. */
import { KnockError } from '../../shared/errors.ts';
import type { PublicProfile } from '../profiles/public-profile.ts';
import type { DoorKnockOptions } from './door-result.ts';

/**
 * The port that shows whether the door is open; undefined when there is none or none is wanted.
 * @throws KnockError USAGE when the user asks for the one connection that a knock is for to be used up
 */
export function verifyPortOf(
  profile: PublicProfile,
  { proxyPort, verify }: Pick<DoorKnockOptions, 'proxyPort' | 'verify'>,
): number | undefined {
  if (proxyPort !== undefined || verify === false) return proxyPort;
  if (profile.opensOnce !== true) return verify ?? tcpPortOf(profile);
  const isService = profile.services.some(({ protocol, port }) => protocol === 'tcp' && port === verify);
  if (!isService) return verify;
  throw new KnockError(
    'USAGE',
    `--verify ${verify} would use up the one connection that the door "${profile.door}" lets in`,
    {
      hint: `leave it out, or let the connection that is tried be yours: knock-otp --proxy HOST ${verify}`,
    },
  );
}

export function whyUnverified({ door, opensOnce }: PublicProfile): string {
  return opensOnce === true
    ? `the door "${door}" lets one connection in, which is left for you: sending without verification`
    : `the door "${door}" opens no TCP port that could be tried: sending without verification`;
}

/** The first TCP port that the door opens. */
export function tcpPortOf(profile: PublicProfile): number | undefined {
  return profile.services.find(({ protocol }) => protocol === 'tcp')?.port;
}
