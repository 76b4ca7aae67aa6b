/** A profile without its secret: enough for everything but a knock. */
import type { Profile } from '../../shared/formats/profile-uri.ts';

export type PublicProfile = Omit<Profile, 'secret'>;
