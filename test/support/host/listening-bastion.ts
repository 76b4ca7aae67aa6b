/** A bastion with `capture = listen` whose daemon is the user nobody: it runs a command for each opening. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { NetworkHost } from '../../../scripts/lab/namespaces.ts';
import { type Finished, mustRun, type RunningProcess } from '../../../scripts/lab/running-process.ts';
import type { Status } from '../../../server/daemon/status.ts';
import { Bastion, daemonRights, type EnrolledClient } from './bastion.ts';

export const STEP_MS = 30_000;
const SEQ_TIMEOUT_MS = 5_000;

/** Connects to the ports on its stdin in order, some at a time; closes when there is an answer, or waits for a reset. */
const CONNECT = `
const { connect } = require('node:net');
const { readFileSync } = require('node:fs');
const ports = readFileSync(0, 'utf8').split(',').map(Number);
let at = 0, open = 0;
function next() {
  if (at === ports.length) return;
  const socket = connect({ host: process.argv[1], port: ports[at++] });
  let answered = false;
  // The server may reset the connection before connect returns.
  socket.on('error', ({ code }) => { answered ||= code === 'ECONNRESET'; });
  socket.on('connect', () => { answered = true; if (process.argv[3] !== 'reset') socket.destroy(); });
  socket.on('close', () => { open += answered ? 1 : 0; next(); });
}
for (let i = 0; i < Number(process.argv[2]); i += 1) next();
process.on('exit', () => console.log(open));
`;

export class ListeningBastion implements AsyncDisposable {
  readonly bastion: Bastion;
  readonly #opened: string;

  private constructor(bastion: Bastion) {
    this.bastion = bastion;
    this.#opened = join(bastion.dir, 'opened');
  }

  static async create(lines = ''): Promise<ListeningBastion> {
    const bastion = await Bastion.create({ service: false });
    const one = new ListeningBastion(bastion);
    await bastion.rewriteConfig(`[options]
capture = listen
server_id = bastion
state_dir = ${bastion.stateDir}
clients_dir = ${join(bastion.dir, 'clients')}

[box]
otp = totp
knocks = 10
seq_timeout = ${SEQ_TIMEOUT_MS / 1000}
start_command = /bin/sh -c "echo %IP% >> ${join(bastion.dir, 'opened')}"
${lines}`);
    // The ports of the last step are closed, and those of the next step do not open during a test.
    await bastion.setClock(STEP_MS - (Date.now() % STEP_MS) + SEQ_TIMEOUT_MS + 500);
    return one;
  }

  async enroll(name: string): Promise<EnrolledClient> {
    return await this.bastion.enroll(name, { door: 'box' });
  }

  async start(): Promise<RunningProcess> {
    await mustRun(['chown', '-R', '65534:65534', this.bastion.dir]);
    return await this.bastion.start([], 'none');
  }

  /**
   * Connects from a host to ports of the server, and counts accepted connections. With `until: 'reset'` a sweep is not
   * faster than the listening process, which drops connections that it is too late for.
   */
  async connect(
    ports: readonly number[],
    { from = this.bastion.client, at = 1, family = 4, until = 'answer' } = {},
  ): Promise<number> {
    const { ipv4, ipv6 } = this.bastion.server;
    const argv = [process.execPath, '-e', CONNECT, family === 4 ? ipv4 : ipv6, `${at}`, until];
    return Number(await from.must(argv, { input: ports.join(',') }));
  }

  async knock(client: EnrolledClient, factor: number, from?: NetworkHost, family = 4): Promise<void> {
    const ports = portsOf(client, factor);
    const heard = await this.connect(ports, { ...(from === undefined ? {} : { from }), at: ports.length, family });
    assert.equal(heard, ports.length, 'every knock was answered');
  }

  /** The listening ports of ss, ascending: what a scanner can find. */
  async listening(): Promise<readonly number[]> {
    const text = await this.bastion.server.must(['ss', '-Hlnt']);
    const ports = text
      .trim()
      .split('\n')
      .map((line) => Number(/:(\d+)\s/.exec(line)?.[1]));
    return [...new Set(ports.filter((port) => port > 0))].sort((a, b) => a - b);
  }

  /** Runs as the owner of the files. */
  async control(...args: string[]): Promise<Finished> {
    const { server, serverCommand, configFile } = this.bastion;
    return await server.run([...daemonRights('none'), ...serverCommand, ...args, '-c', configFile]);
  }

  async status(): Promise<Status> {
    return JSON.parse((await this.control('status', '--json')).stdout);
  }

  /** Waits for the log line of the opening; on failure, shows the daemon's counters. */
  async opening(words = 'opened door=box', mark = 0): Promise<void> {
    try {
      await this.bastion.daemon.waitForLine(new RegExp(`otpd: ${words}`), mark);
    } catch (cause) {
      throw new Error(`no ${words}, status: ${(await this.control('status', '--json')).stdout}`, { cause });
    }
  }

  async opened(): Promise<readonly string[]> {
    return (await readFile(this.#opened, 'utf8').catch(() => '')).trim().split('\n').filter(Boolean);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.bastion.dispose();
  }
}

export function portsOf(client: EnrolledClient, factor: number): readonly number[] {
  return client.sequence(factor).map(({ port }) => port);
}
