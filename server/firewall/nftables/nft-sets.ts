/** The names of the sets in `table inet knock_otp`: from a door to its set and back. Pure. */
import { NAME_PATTERN } from '../../../shared/formats/profile-uri.ts';

export type Family = 4 | 6;

/**
 * `v4_` and the door's name, with each character but letters and digits as `_` and two hex digits. Different doors get
 * different names, no name is a keyword of nft, and the longest has 195 characters (the kernel allows 255).
 */
export function setName(door: string, family: Family): string {
  const encoded = door.replaceAll(/[^A-Za-z0-9]/g, (character) => `_${character.charCodeAt(0).toString(16)}`);
  return `v${family}_${encoded}`;
}

/** The door and family of one of our sets; undefined for any other name. */
export function parseSetName(set: string): { door: string; family: Family } | undefined {
  const door = set
    .slice(3)
    .replaceAll(/_([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  const family = set.startsWith('v4_') ? 4 : 6;
  return NAME_PATTERN.test(door) && setName(door, family) === set ? { door, family } : undefined;
}
