/**
 * How a client says which address the server sees it under: an address, or `NAME@SERVER`, a question to a name server of
 * the user's choice that is answered with the asker's address. Only what they may look like; asking is the client's.
 */

/** One of each family at most. */
export const MAX_SOURCES = 2;

export interface WhoamiQuestion {
  readonly name: string;
  readonly server: string;
}

/** Only characters of addresses: whether it is one, whoever uses it finds out. No zone: the server does not know ours. */
export function isSourceWord(text: string): boolean {
  return /^[0-9A-Fa-f:.]{2,45}$/.test(text);
}

/** Undefined when it is anything else. */
export function parseWhoami(text: string): WhoamiQuestion | undefined {
  const [name = '', server = '', ...more] = text.split('@');
  const isHost = (each: string): boolean => /^[A-Za-z0-9_:[][A-Za-z0-9._:%[\]-]{0,252}$/.test(each);
  return isHost(name) && isHost(server) && more.length === 0 ? { name, server } : undefined;
}
