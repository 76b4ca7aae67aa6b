/** The TCP port that shows whether the door of a profile is open. */
import { KnockError } from '../../shared/errors.ts';
import type { PublicProfile } from '../profiles/public-profile.ts';
import type { DoorKnockOptions } from './door-result.ts';

/**
 * The port to verify; undefined when there is none or none is wanted.
 * @throws KnockError USAGE when verification would use up the only connection that a knock allows
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
    `--verify ${verify} would use up the only connection that the door "${profile.door}" lets in`,
    {
      hint: `leave --verify out, or use that connection yourself: knock-otp --proxy HOST ${verify}`,
    },
  );
}

export function whyUnverified({ door, opensOnce }: PublicProfile): string {
  return opensOnce === true
    ? `the door "${door}" lets in only one connection, which is yours: sending without verification`
    : `the door "${door}" opens no TCP port that can be tried: sending without verification`;
}

/** The first TCP port that the door opens. */
export function tcpPortOf(profile: PublicProfile): number | undefined {
  return profile.services.find(({ protocol }) => protocol === 'tcp')?.port;
}
