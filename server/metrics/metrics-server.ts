/**
 * Serves metrics by HTTP on loopback or on a Unix socket. Any local user can connect to loopback, so connections, request
 * sizes and times are bounded.
 */
import { chmodSync, lstatSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { KnockError } from '../../shared/errors.ts';
import { formatMetricsAddress, type MetricsAddress } from '../config/metrics-address.ts';

export interface MetricsServer {
  /** The TCP port in use, also if 0 was given; undefined for a Unix socket. */
  readonly port: number | undefined;
  close(): Promise<void>;
}

const MAX_CONNECTIONS = 8;
const MAX_HEADER_BYTES = 8_192;
const TIMEOUT_MS = 5_000;

/** @throws KnockError CONFIG_INVALID when it cannot listen on the address */
export async function serveMetrics(address: MetricsAddress, text: () => string): Promise<MetricsServer> {
  const timeouts = { headersTimeout: TIMEOUT_MS, requestTimeout: TIMEOUT_MS, keepAliveTimeout: TIMEOUT_MS };
  const server = createServer(
    { maxHeaderSize: MAX_HEADER_BYTES, connectionsCheckingInterval: 1_000, ...timeouts },
    (request, response) => {
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        response.writeHead(405, { allow: 'GET, HEAD', connection: 'close' }).end();
      } else if (
        request.headers['content-length'] !== undefined ||
        request.headers['transfer-encoding'] !== undefined
      ) {
        // A request with a body is refused, and the connection closed.
        response.writeHead(413, { connection: 'close' }).end();
      } else if (request.url !== '/metrics') {
        response.writeHead(404).end('metrics are at /metrics\n');
      } else {
        response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' });
        response.end(request.method === 'HEAD' ? undefined : text());
      }
    },
  );
  server.maxConnections = MAX_CONNECTIONS;
  // For clients that do not read the answer.
  server.setTimeout(TIMEOUT_MS, (socket) => socket.destroy());
  try {
    if (address.kind === 'unix') removeDead(address.path);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      const where = address.kind === 'unix' ? { path: address.path } : { host: address.host, port: address.port };
      server.listen(where, resolve);
    });
    server.removeAllListeners('error').on('error', () => undefined);
    if (address.kind === 'unix') chmodSync(address.path, 0o600);
  } catch (cause) {
    server.close();
    throw new KnockError('CONFIG_INVALID', `metrics cannot be served on ${formatMetricsAddress(address)}`, {
      cause,
      hint: 'see metrics in [options]',
    });
  }
  const bound = server.address();
  return {
    port: typeof bound === 'object' && bound !== null ? bound.port : undefined,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Removes the socket of a dead daemon, but no other kind of file. */
function removeDead(path: string): void {
  try {
    if (lstatSync(path).isSocket()) rmSync(path);
  } catch {
    // No such file.
  }
}
