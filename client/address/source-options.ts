/**
 * The options --source and --whoami for the address that the server sees, and the advice when a knock that was bound to
 * an address did not open. public-address.ts determines the address; it is loaded only for doors that bind.
 */
import { KnockError } from '../../shared/errors.ts';
import { isSourceWord, parseWhoami } from '../../shared/formats/source-words.ts';

export interface SourceOptions {
  readonly source?: string | undefined;
  readonly whoami?: string | undefined;
}

export interface PublicAddress {
  readonly text: string;
  /** 4 or 16 bytes. */
  readonly bytes: Uint8Array;
  readonly family: 4 | 6;
  readonly how: 'given' | 'asked' | 'local';
}

/** Checks the options before anything is read, resolved or spent. @throws KnockError USAGE */
export function refuseInvalidSource({ source, whoami }: SourceOptions): void {
  if (source !== undefined && whoami !== undefined) {
    throw new KnockError('USAGE', '--source and --whoami exclude each other');
  }
  if (source !== undefined && !isSourceWord(source)) throw invalidSourceError();
  if (whoami !== undefined && parseWhoami(whoami) === undefined) {
    throw new KnockError('USAGE', '--whoami is not NAME@SERVER', {
      hint: 'a name that the name server SERVER answers with your address (A, AAAA or TXT)',
    });
  }
}

export function invalidSourceError(): KnockError {
  return new KnockError('USAGE', '--source is not an address', { hint: 'as the server sees it: 198.51.100.7' });
}

/** What to try when the door stayed closed. */
export function sourceAdvice({ text, how }: PublicAddress): string {
  switch (how) {
    case 'local':
      return (
        `the door opens only for ${text}, this machine's own address; behind NAT the server sees another address: ` +
        'give it with --source ADDRESS, or name a server that knows it with --whoami NAME@SERVER'
      );
    case 'asked':
      return `the door opens only for ${text}, which a name server reported: give another address with --source ADDRESS`;
    case 'given':
      return `the door opens only for ${text}: does the server see this machine at that address?`;
  }
}
