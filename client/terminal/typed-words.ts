/**
 * Checks what users type for hosts, doors and ports. Messages quote these words, so a pasted profile URI (which
 * contains a secret) and control characters must be refused here.
 */
import { KnockError } from '../../shared/errors.ts';
import { NAME_PATTERN } from '../../shared/formats/profile-uri.ts';
import { type Knock, parsePort } from '../../shared/knock.ts';

/** @throws KnockError USAGE */
export function refuseInvalidHost(host: string): void {
  if (/^[^\s\p{Cc}/?]{1,253}$/u.test(host)) return;
  throw new KnockError('USAGE', 'HOST is not a host name, an address or the name of a profile', {
    hint: 'a profile URI is added with: knock-otp add -',
  });
}

/** @throws KnockError USAGE */
export function refuseInvalidDoor(door: string | undefined): void {
  if (door === undefined || NAME_PATTERN.test(door)) return;
  throw new KnockError('USAGE', '--door is not the name of a door');
}

/** @throws KnockError USAGE when the path of a file of one-time sequences is a profile URI */
export function refuseInvalidFile(path: string | undefined): void {
  if (path === undefined || !/^\s*otpauth:/i.test(path)) return;
  throw new KnockError('USAGE', '--one-time is not the path of a file', {
    hint: 'a profile URI is added with: knock-otp add -',
  });
}

/**
 * Whether a word is meant as a port, valid or not: digits, and maybe a colon and a word. No address looks like that.
 */
export function isPortWord(word: string): boolean {
  return /^[0-9]+(?::[a-z]*)?$/i.test(word);
}

/**
 * The knocks of a command line in the grammar of knock(1), `7000 8000:udp 9000:tcp`, in order and with repetitions. As
 * there, `-u` makes all of them UDP, also those with `:tcp`.
 * @throws KnockError USAGE that names the position, not the word
 */
export function parsePortWords(words: readonly string[], allUdp: boolean): readonly Knock[] {
  return words.map((word, at) => {
    const [, digits = '', protocol = 'tcp'] = /^([0-9]+)(?::(tcp|udp))?$/i.exec(word) ?? [];
    const port = parsePort(digits);
    if (port === undefined) {
      throw new KnockError('USAGE', `port ${at + 1} of ${words.length} is not a port from 1 to 65535`, {
        hint: 'knock-otp HOST 7000 8000:udp 9000:tcp',
      });
    }
    return { protocol: allUdp || protocol.toLowerCase() === 'udp' ? 'udp' : 'tcp', port };
  });
}
