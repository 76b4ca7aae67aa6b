/**
 * Where metrics are fetched: HTTP on loopback or on a Unix socket. Anybody on this machine may ask on loopback, so that
 * connections, requests and patience are bounded; what an answer says is the caller's business.
 */
import { chmodSync, lstatSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { KnockError } from '../../shared/errors.ts';
import { formatMetricsAddress, type MetricsAddress } from '../config/metrics-address.ts';

export interface MetricsServer {
  /** The port, where one was given as 0. */
  readonly port: number | undefined;
  close(): Promise<void>;
}

const MAX_CONNECTIONS = 8;
const MAX_HEADER_BYTES = 8_192;
const PATIENCE_MS = 5_000;

/** @throws KnockError CONFIG_INVALID when the address cannot be had */
export async function serveMetrics(address: MetricsAddress, text: () => string): Promise<MetricsServer> {
  const timeouts = { headersTimeout: PATIENCE_MS, requestTimeout: PATIENCE_MS, keepAliveTimeout: PATIENCE_MS };
  const server = createServer(
    { maxHeaderSize: MAX_HEADER_BYTES, connectionsCheckingInterval: 1_000, ...timeouts },
    (request, response) => {
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        response.writeHead(405, { allow: 'GET, HEAD', connection: 'close' }).end();
      } else if (
        request.headers['content-length'] !== undefined ||
        request.headers['transfer-encoding'] !== undefined
      ) {
        // A body is nothing that is asked for: the connection ends with the answer.
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
  // Whoever does not read his answer.
  server.setTimeout(PATIENCE_MS, (socket) => socket.destroy());
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

/** A socket that is there is a dead daemon's; anything else is somebody's. */
function removeDead(path: string): void {
  try {
    if (lstatSync(path).isSocket()) rmSync(path);
  } catch {
    // There is none.
  }
}
