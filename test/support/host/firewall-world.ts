/**
 * Two ends of a virtual cable. The server is the network namespace of this process, which must be a private one, with
 * an echo service on several ports. The clients are a prober process in another namespace. Nothing has a name and
 * nothing stays: the kernel removes both namespaces with their last process.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { createInterface } from 'node:readline';
import { supportProgram } from './built.ts';
import type { ProberAnswer, ProberRequest } from './prober.ts';

const PROBER = supportProgram('host/prober');

/** Ports with an echo service behind them. */
export const PORTS = [2201, 2202, 2203] as const;
/** Per family: the server, two clients, and a source that is never let in, of whose ports conntrack knows none. */
export const ADDRESSES = {
  IPv4: { server: '10.77.0.1', clients: ['10.77.0.2', '10.77.0.3'], stranger: '10.77.0.4' },
  IPv6: { server: 'fd77::1', clients: ['fd77::2', 'fd77::3'], stranger: 'fd77::4' },
} as const;

/** Long enough for a repeated SYN (1 s), so that an open door does not look shut on a busy machine. */
const OPEN_PATIENCE_MS = 5000;
/** Dropped packets never get an answer. A refusal or a success arrives in a fraction of this time. */
const DROP_PATIENCE_MS = 250;

export class FirewallWorld {
  readonly proberPid: number;
  readonly #ask: (request: ProberRequest) => Promise<string>;
  readonly #end: () => Promise<void>;
  #lastId = 0;

  private constructor(proberPid: number, ask: (request: ProberRequest) => Promise<string>, end: () => Promise<void>) {
    this.proberPid = proberPid;
    this.#ask = ask;
    this.#end = end;
  }

  static async make(): Promise<FirewallWorld> {
    // A test must never change the firewall of the machine itself.
    assert.deepEqual(Object.keys(networkInterfaces()), [], 'this network namespace is not a fresh one');
    const prober = spawn('unshare', ['--net', process.execPath, PROBER], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const waiting = new Map<number, (result: string) => void>();
    createInterface({ input: prober.stdout }).on('line', (line) => {
      const { id, result } = JSON.parse(line) as ProberAnswer;
      waiting.get(id)?.(result);
      waiting.delete(id);
    });
    const ask = (request: ProberRequest) =>
      new Promise<string>((resolve) => {
        waiting.set(request.id, resolve);
        prober.stdin.write(`${JSON.stringify(request)}\n`);
      });
    // The first answer shows that the program runs in its own namespace.
    await ask({ id: 0, do: 'end', connection: 0 });
    assert(prober.pid !== undefined);
    layCable(prober.pid);
    const sessions = new Set<Socket>();
    const servers = await Promise.all(PORTS.map((port) => echoServer(port, sessions)));
    return new FirewallWorld(prober.pid, ask, async () => {
      for (const server of servers) server.close();
      // The other ends vanish with their namespace without closing these connections.
      for (const session of sessions) session.destroy();
      const closed = once(prober, 'close');
      prober.kill('SIGKILL');
      await closed;
    });
  }

  /** Returns the number of the connection. Fails the test when the port does not answer. */
  async connect(from: string, port: number, host: string = serverFor(from)): Promise<number> {
    const id = this.#nextId();
    const result = await this.#ask({ id, do: 'connect', host, port, from, timeoutMs: OPEN_PATIENCE_MS });
    assert.equal(result, 'open', `${from} to port ${port}`);
    return id;
  }

  async assertOpen(from: string, port: number): Promise<void> {
    const connection = await this.connect(from, port);
    await this.#ask({ id: this.#nextId(), do: 'end', connection });
  }

  /** Checks that no answer comes: no connection, no refusal. */
  async assertDropped(from: string, port: number): Promise<void> {
    assert.equal(await this.tryOnce(from, port, DROP_PATIENCE_MS), 'timeout', `${from} to port ${port}`);
  }

  /** Returns `open`, `timeout` or the code of an error. */
  async tryOnce(from: string, port: number, timeoutMs: number): Promise<string> {
    const id = this.#nextId();
    const result = await this.#ask({ id, do: 'connect', host: serverFor(from), port, from, timeoutMs });
    if (result === 'open') await this.#ask({ id: this.#nextId(), do: 'end', connection: id });
    return result;
  }

  async assertAlive(connection: number): Promise<void> {
    const text = `still here ${this.#lastId}`;
    assert.equal(await this.#ask({ id: this.#nextId(), do: 'echo', connection, text }), text);
  }

  /** Sends a message and returns `data`, `ended`, or `timeout` when neither follows. */
  hear(connection: number, timeoutMs: number): Promise<string> {
    return this.#ask({ id: this.#nextId(), do: 'hear', connection, timeoutMs });
  }

  async datagram(from: string, port: number): Promise<void> {
    assert.equal(await this.#ask({ id: this.#nextId(), do: 'datagram', host: serverFor(from), port, from }), 'sent');
  }

  end(): Promise<void> {
    return this.#end();
  }

  #nextId(): number {
    this.#lastId += 1;
    return this.#lastId;
  }
}

/** Runs an nft script in this process's namespace, as the administrator or another program does. */
export function nft(script: string): string {
  return execFileSync('nft', ['--', script], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

function serverFor(from: string): string {
  return from.includes(':') ? ADDRESSES.IPv6.server : ADDRESSES.IPv4.server;
}

function layCable(pid: number): void {
  const inside = (...command: string[]) => execFileSync('nsenter', ['-t', `${pid}`, '-n', ...command]);
  execFileSync('ip', ['link', 'set', 'lo', 'up']);
  execFileSync('ip', ['link', 'add', 'server', 'type', 'veth', 'peer', 'name', 'client', 'netns', `${pid}`]);
  for (const { server, clients, stranger } of [ADDRESSES.IPv4, ADDRESSES.IPv6]) {
    const suffix = server.includes(':') ? ['/64', 'nodad'] : ['/24'];
    execFileSync('ip', ['addr', 'add', `${server}${suffix[0]}`, 'dev', 'server', ...suffix.slice(1)]);
    for (const client of [...clients, stranger])
      inside('ip', 'addr', 'add', `${client}${suffix[0]}`, 'dev', 'client', ...suffix.slice(1));
  }
  execFileSync('ip', ['link', 'set', 'server', 'up']);
  inside('ip', 'link', 'set', 'client', 'up');
}

async function echoServer(port: number, sessions: Set<Socket>): Promise<Server> {
  const server = createServer((socket) => {
    sessions.add(socket);
    socket.on('close', () => sessions.delete(socket));
    socket.on('error', () => undefined);
    socket.pipe(socket);
  });
  server.listen(port, '::');
  await once(server, 'listening');
  return server;
}
