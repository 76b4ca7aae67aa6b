/**
 * A server whose init system is a real systemd, and a client's host next to it, for the tests of the service and of the
 * package. Commands run in the server's machine; the client is the one built here.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Network, type NetworkHost } from '../../../scripts/lab/namespaces.ts';
import type { Finished, RunningProcess } from '../../../scripts/lab/running-process.ts';
import { BootedSystemd } from './booted-systemd.ts';

const client = fileURLToPath(new URL('../../../dist/knock-otp.cjs', import.meta.url));

export class ServiceWorld implements AsyncDisposable {
  readonly machine: BootedSystemd;
  readonly server: NetworkHost;
  readonly client: NetworkHost;
  readonly dir: string;
  readonly #network: Network;
  readonly #running: RunningProcess[] = [];

  private constructor(network: Network, machine: BootedSystemd, dir: string) {
    this.#network = network;
    this.machine = machine;
    this.dir = dir;
    this.server = network.host('server');
    this.client = network.host('client');
  }

  static async create(): Promise<ServiceWorld> {
    const network = await Network.create(['server', 'client']);
    const dir = await mkdtemp(join(tmpdir(), 'knock-otp-service-world-'));
    try {
      return new ServiceWorld(network, await BootedSystemd.boot(network.host('server')), dir);
    } catch (error) {
      await network.dispose();
      await rm(dir, { recursive: true });
      throw error;
    }
  }

  /** Starts a process that answers on a port of the server. */
  async serve(port: number): Promise<void> {
    const program = `require('node:net').createServer((socket) => socket.on('error', () => {}).end('hello\\n'))
      .listen(${port}, '::', () => console.log('serving'))`;
    const service = this.server.spawn([process.execPath, '-e', program]);
    this.#running.push(service);
    await service.waitForLine(/serving/);
  }

  /** Follows the daemon's journal from its beginning, messages only. */
  journal(): RunningProcess {
    const words = ['journalctl', '--follow', '--lines=all', '--output=cat', '--unit=knock-otpd'];
    const journal = this.machine.spawn(words);
    this.#running.push(journal);
    return journal;
  }

  /** Runs knock-otp on the client's host. */
  async knock(args: readonly string[], input = ''): Promise<Finished> {
    const home = join(this.dir, 'home');
    await mkdir(home, { recursive: true, mode: 0o700 });
    const env = { HOME: home, XDG_CONFIG_HOME: join(home, 'config'), XDG_STATE_HOME: join(home, 'state') };
    return await this.client.run([process.execPath, client, ...args], { input, env });
  }

  /** Gives the client a door's secret, under the door's name. */
  async enroll(door: string): Promise<void> {
    const uri = await this.machine.must(`knock-otpd enroll laptop --door ${door} --host ${this.server.ipv4}`);
    await this.adopt(door, uri);
  }

  async adopt(name: string, uri: string): Promise<void> {
    const added = await this.knock(['add', '-', '--as', name], uri);
    if (added.code !== 0) throw new Error(added.stderr);
  }

  async dispose(): Promise<void> {
    // First the machine, because its end also ends the processes entered into it; ending nsenter does not.
    await this.machine.dispose();
    await Promise.all(this.#running.map((process) => process.end('SIGKILL')));
    await this.#network.dispose();
    await rm(this.dir, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  /** Writes a file of the machine. */
  async write(path: string, text: string, mode = 0o600): Promise<void> {
    await writeFile(this.machine.path(path), text, { mode });
  }
}
