/**
 * Knocks on request in the client's namespace, with the client's own modules, so that the bench can time a thousand
 * knocks without a thousand starts of Node. `client-time.ts` measures the whole program.
 */
import { connect } from 'node:net';
import type { Network, ProbeSeen } from '../../../client/deps.ts';
import { knock } from '../../../client/knock/knock-run.ts';
import { systemDeps } from '../../../client/system.ts';
import { KnockError } from '../../../shared/errors.ts';
import { parseProfileUri } from '../../../shared/formats/profile-uri.ts';
import { type Knocked, now, type Order } from '../report/orders.ts';

const { clock, network } = systemDeps();

async function otp(order: Order & { kind: 'otp' }): Promise<Knocked> {
  const profile = parseProfileUri(order.uri);
  let first = '';
  let last = '';
  const timed: Network = {
    ...network,
    send: async (...packets) => {
      if (first !== '') return await network.send(...packets);
      first = now();
      const sending = network.send(...packets);
      // Sockets connect in the next turn of this queue, which they have entered before.
      process.nextTick(() => {
        last = now();
      });
      return await sending;
    },
  };
  let next = order.counter;
  const ledger = {
    folder: '',
    last: async () => next - 1,
    reserve: async (factor: number) => {
      next = factor + 1;
      return true;
    },
  };
  const verifyPort = profile.services[0]?.port;
  const secret = async () => profile.secret;
  const request = { profile, secret, name: 'bench', target: profile.host ?? '', families: 'any', verifyPort } as const;
  const [result] = await knock({ ...request, timeoutMs: order.timeoutMs }, ledger, { clock, network: timed }, () => {});
  const connected = now();
  if (result === undefined || result instanceof KnockError) {
    return { opened: false, first, last, connected, nextCounter: next };
  }
  result.socket?.destroy();
  return { opened: true, first, last, connected, nextCounter: next };
}

async function ports(order: Order & { kind: 'ports' }): Promise<Knocked> {
  const first = now();
  const sockets = order.ports.map((port) => connect({ host: order.host, port }).on('error', () => {}));
  const last = await new Promise<string>((resolve) => process.nextTick(() => resolve(now())));
  setImmediate(() => {
    for (const socket of sockets) socket.destroy();
  });
  return { ...(await watch(order)), first, last };
}

async function watch({ host, verifyPort, timeoutMs }: Order & { kind: 'ports' | 'watch' }): Promise<Knocked> {
  const first = now();
  const seen: ProbeSeen = { refused: 0, unreachable: 0 };
  const socket = await network.probe({ address: host, family: 4 }, verifyPort, seen, AbortSignal.timeout(timeoutMs));
  const connected = now();
  socket?.destroy();
  return { opened: socket !== undefined, first, last: first, connected, nextCounter: 0 };
}

process.on('message', async (order: Order) => {
  const done =
    order.kind === 'otp' ? await otp(order) : order.kind === 'ports' ? await ports(order) : await watch(order);
  process.send?.(done);
});
process.on('disconnect', () => process.exit(0));
process.send?.('ready');
