/** Asks sockets and name servers for this host's own address. public-address.ts chooses among the answers. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { isIP } from 'node:net';
import { KnockError } from '../../shared/errors.ts';
import { codeOf } from '../../shared/files/system-error.ts';
import type { WhoamiQuestion } from '../../shared/formats/source-words.ts';
import type { Address } from '../deps.ts';
import { resolveHost } from './resolve.ts';

const TIMEOUT_MS = 2000;
const TRIES = 2;

/** This host's own address for packets to `address`; nothing is sent. */
export async function localAddress({ address, family }: Address): Promise<string | undefined> {
  const socket = createSocket(family === 4 ? 'udp4' : 'udp6');
  try {
    socket.connect(9, address);
    await once(socket, 'connect');
    return socket.address().address.split('%', 1)[0];
  } catch {
    return undefined;
  } finally {
    socket.close();
  }
}

/**
 * The first address of `family` in an A, AAAA or TXT answer, undefined when there is none. The query goes over the same
 * family, because a server that sees this host's IPv4 address does not know its IPv6 address.
 * @throws KnockError NETWORK when the server cannot be asked
 */
export async function askWhoami({ name, server }: WhoamiQuestion, family: 4 | 6): Promise<string | undefined> {
  const { Resolver } = await import('node:dns/promises');
  const [at] = await resolveHost(server, family);
  const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: TRIES });
  resolver.setServers([family === 6 ? `[${at?.address}]` : `${at?.address}`]);
  const direct = () => (family === 4 ? resolver.resolve4(name) : resolver.resolve6(name));
  const text = async () => (await resolver.resolveTxt(name)).map((parts) => parts.join('').trim());
  let failure = '';
  for (const ask of [direct, text]) {
    try {
      const found = (await ask()).find((each) => isIP(each) === family);
      if (found !== undefined) return found;
    } catch (error) {
      failure = codeOf(error);
      // Without such a record, the other query may have the answer. A server that is silent would be silent again.
      if (failure !== 'ENODATA' && failure !== 'ENOTFOUND' && failure !== 'ENOTIMP') break;
    }
  }
  if (failure === '' || failure === 'ENODATA' || failure === 'ENOTFOUND') return undefined;
  throw new KnockError('NETWORK', `the name server ${server} cannot be asked for ${name}: ${failure}`, {
    hint: 'give the address that the server sees: --source ADDRESS',
  });
}
