/**
 * The ways in which a client states the address that the server sees it under: an address, or `NAME@SERVER`, a query to
 * a name server of the user's choice that replies with the client's address. Checks only the form; the client sends the
 * query.
 */

/** At most one address of each family. */
export const MAX_SOURCES = 2;

export interface WhoamiQuestion {
  readonly name: string;
  readonly server: string;
}

/** Checks for characters of addresses only; the caller parses it. No zone: it means nothing on another host. */
export function isSourceWord(text: string): boolean {
  return /^[0-9A-Fa-f:.]{2,45}$/.test(text);
}

/** Reads `NAME@SERVER`; undefined for other text. */
export function parseWhoami(text: string): WhoamiQuestion | undefined {
  const [name = '', server = '', ...more] = text.split('@');
  const isHost = (each: string): boolean => /^[A-Za-z0-9_:[][A-Za-z0-9._:%[\]-]{0,252}$/.test(each);
  return isHost(name) && isHost(server) && more.length === 0 ? { name, server } : undefined;
}
