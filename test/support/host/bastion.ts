/**
 * A bastion in a namespace, for end-to-end tests: the built knock-otpd, a service on the hidden port, clients enrolled
 * through its command line, and hosts that knock with real frames. Holds no assertion.
 */
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Connection, Network, type NetworkHost } from '../../../scripts/lab/namespaces.ts';
import type { Finished, RunningProcess } from '../../../scripts/lab/running-process.ts';
import { derivationKey, deriveSequence } from '../../../shared/derive.ts';
import { type Profile, parseProfileUri, profileShape } from '../../../shared/formats/profile-uri.ts';
import type { Knock } from '../../../shared/knock.ts';
import { timeStepAt } from '../../../shared/moving-factor.ts';
import { pcapOf } from '../core/frames.ts';
import { BARRIER_DOOR, type BastionOptions, configText, HIDDEN_PORT } from './bastion-config.ts';
import { CLIENT_PROGRAM, SERVER_PROGRAM } from './built.ts';

const repository = fileURLToPath(new URL('../../../', import.meta.url));
const recordFrames = join(repository, 'scripts/lab/record-frames.mjs');
const shiftedClock = join(repository, 'test/support/faults/shifted-clock.mjs');

const BARRIER_SOURCE = '10.77.0.200';

/** The capabilities that a daemon needs. */
const FEW = '-all,+net_admin,+net_raw';

/**
 * The words before a command that limit its capabilities. `few`: root with CAP_NET_ADMIN and CAP_NET_RAW alone.
 * `user`: nobody with the same two, by the ambient set. `none`: nobody without any. Any other value changes nothing.
 * nsenter goes before these words, because it needs more capabilities.
 */
export function daemonRights(rights: string | undefined): readonly string[] {
  if (rights === 'none') {
    const own = ['--reuid=65534', '--regid=65534', '--clear-groups', '--inh-caps', '-all', '--bounding-set', '-all'];
    return ['setpriv', ...own, '--pdeathsig', 'KILL', '--'];
  }
  if (rights !== 'few' && rights !== 'user') return [];
  const user = ['--reuid=65534', '--regid=65534', '--clear-groups', '--inh-caps', FEW, '--ambient-caps', FEW];
  // A change of user clears the signal that ends the process with the test.
  const own = rights === 'user' ? user : ['--inh-caps', '-all'];
  return ['setpriv', '--bounding-set', FEW, ...own, '--pdeathsig', 'KILL', '--'];
}

/** A client at a door, as a test sees it: the profile, and every possible sequence. */
export interface EnrolledClient {
  readonly uri: string;
  readonly profile: Profile;
  sequence(factor: number): readonly Knock[];
}

export interface SendOptions {
  readonly from?: NetworkHost;
  /** A spoofed source address, which is not that of the sender. */
  readonly source?: string;
  readonly family?: 4 | 6;
  /** Packets a second; 1000 when not given. */
  readonly rate?: number;
}

export class Bastion implements AsyncDisposable {
  readonly network: Network;
  readonly server: NetworkHost;
  readonly client: NetworkHost;
  readonly other: NetworkHost;
  readonly dir: string;
  readonly configFile: string;
  readonly stateDir: string;
  readonly #clockFile: string;
  readonly #running = new Set<RunningProcess>();
  #daemon: RunningProcess | undefined;
  #barrier: EnrolledClient | undefined;
  #barrierCounter = 0;

  private constructor(network: Network, dir: string) {
    this.network = network;
    this.dir = dir;
    this.server = network.host('server');
    this.client = network.host('client');
    this.other = network.host('other');
    this.configFile = join(dir, 'knock-otp.conf');
    this.stateDir = join(dir, 'state');
    this.#clockFile = join(dir, 'clock');
  }

  /** Makes three hosts, a configuration, and a service that says `hello`. Does not start the daemon. */
  static async create(options: BastionOptions = {}): Promise<Bastion> {
    const network = await Network.create(['server', 'client', 'other']);
    const bastion = new Bastion(network, await mkdtemp(join(tmpdir(), 'knock-otp-e2e-')));
    try {
      await chmod(bastion.dir, 0o700);
      await bastion.configure(options);
      await bastion.setClock(0);
      if (options.service !== false) await bastion.serve(HIDDEN_PORT);
      bastion.#barrier = await bastion.enroll('barrier', { door: BARRIER_DOOR });
      return bastion;
    } catch (error) {
      await bastion.dispose();
      throw error;
    }
  }

  async configure(options: BastionOptions): Promise<void> {
    await this.rewriteConfig(configText(this.dir, options));
  }

  /** Writes a configuration of the test's own. */
  async rewriteConfig(text: string): Promise<void> {
    await writeFile(this.configFile, text, { mode: 0o600 });
  }

  /** Sets the wall clock of daemons, even of a running one, in milliseconds ahead of this machine's clock. */
  async setClock(aheadMs: number): Promise<void> {
    await writeFile(this.#clockFile, `${aheadMs}`);
  }

  /** A service on the server that greets with one line and holds the connection until the other side ends it. */
  async serve(port: number): Promise<void> {
    const program = `require('node:net').createServer((socket) => {
      socket.on('error', () => {}).on('data', (data) => socket.write(data));
      socket.write('hello\\n');
    }).listen(${port}, '::', () => console.log('serving'))`;
    await this.#spawn(this.server, [process.execPath, '-e', program]).waitForLine(/serving/);
  }

  get daemon(): RunningProcess {
    if (this.#daemon === undefined) throw new Error('the daemon was not started');
    return this.#daemon;
  }

  /** Starts knock-otpd and waits until it captures packets. */
  async start(args: readonly string[] = [], rights?: string): Promise<RunningProcess> {
    const daemon = this.launch(args, rights);
    await daemon.waitForLine(/\blistening\b/);
    await daemon.waitForLine(/\bready\b/);
    return daemon;
  }

  /** Starts knock-otpd, after further words where given, and does not wait. */
  launch(
    args: readonly string[] = [],
    rights = process.env['KNOCK_OTP_TEST_RIGHTS'],
    before: readonly string[] = [],
  ): RunningProcess {
    const argv = [
      ...before,
      ...daemonRights(rights),
      ...[process.execPath, '--import', shiftedClock, SERVER_PROGRAM, '-c', this.configFile, ...args],
    ];
    this.#daemon = this.#spawn(this.server, argv, { KNOCK_OTP_TEST_CLOCK: this.#clockFile });
    return this.#daemon;
  }

  /** Ends the daemon. SIGKILL makes it a crash. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Finished> {
    return await this.daemon.end(signal);
  }

  /** Runs one command of knock-otpd on the server. */
  async control(...args: string[]): Promise<Finished> {
    return await this.server.run([process.execPath, SERVER_PROGRAM, ...args, '-c', this.configFile]);
  }

  async enroll(name: string, { door = 'ssh', host = this.server.ipv4 } = {}): Promise<EnrolledClient> {
    const { code, stdout, stderr } = await this.control('enroll', name, '--door', door, '--host', host);
    if (code !== 0) throw new Error(`enroll ${name}: exit ${code}: ${stderr}`);
    const uri = stdout.split('\n').find((line) => line.startsWith('otpauth://'));
    if (uri === undefined) throw new Error('enroll printed no profile URI on a line of its own');
    const profile = parseProfileUri(uri);
    const key = derivationKey(profile.secret);
    return {
      uri,
      profile,
      sequence: (factor) => deriveSequence(key, profile, factor, profileShape(profile)),
    };
  }

  /** The command line of knock-otpd in a shell. */
  readonly serverCommand: readonly string[] = [process.execPath, SERVER_PROGRAM];

  /** The command line of knock-otp in a shell. */
  readonly clientCommand: readonly string[] = [process.execPath, CLIENT_PROGRAM];

  /** Runs knock-otp on a host, with a home of its own. */
  async knockOtp(args: readonly string[], { from = this.client, input = '', env = {} } = {}): Promise<Finished> {
    return await from.run([...this.clientCommand, ...args], {
      input,
      env: { ...(await this.clientHome(from)), ...env },
      timeoutMs: 90_000,
    });
  }

  /** The environment in which knock-otp keeps a host's profiles and factors. */
  async clientHome(host: NetworkHost): Promise<Record<string, string>> {
    const home = join(this.dir, `home-${host.name}`);
    await mkdir(home, { recursive: true, mode: 0o700 });
    return { HOME: home, XDG_CONFIG_HOME: join(home, 'config'), XDG_STATE_HOME: join(home, 'state') };
  }

  /** The current time step on the daemon's clock. */
  async timeStep(client: EnrolledClient): Promise<number> {
    const ahead = Number(await readFile(this.#clockFile, 'utf8'));
    return timeStepAt(Date.now() + ahead, client.profile.step);
  }

  /** Sends knocks, or any packets, as frames; resolves when the last one has left. */
  async send(knocks: readonly Knock[], options: SendOptions = {}): Promise<void> {
    const { from = this.client, family = 4, rate = 1000 } = options;
    const source = options.source ?? (family === 4 ? from.ipv4 : from.ipv6);
    const ends = {
      fromMac: from.mac,
      toMac: this.server.mac,
      from: source,
      to: family === 4 ? this.server.ipv4 : this.server.ipv6,
    };
    const file = join(this.dir, `send-${from.name}.pcap`);
    await writeFile(file, pcapOf(ends, knocks));
    await from.must(['tcpreplay', '-q', `--pps=${rate}`, '-i', 'eth0', file]);
  }

  /** Records the frames that the server receives, by a filter of pcap, until SIGINT. */
  async record(file: string, filter: string): Promise<RunningProcess> {
    const recorder = this.#spawn(this.server, [process.execPath, recordFrames, file, filter]);
    await recorder.waitForLine(/^recording/);
    return recorder;
  }

  /**
   * Resolves when the daemon has judged every packet that was sent before: a sequence of another client, from its own
   * address, has opened its own door. So a test knows that a door did not open, without waiting for a time to pass.
   */
  async barrier(): Promise<void> {
    if (this.#barrier === undefined) throw new Error('no barrier client');
    const mark = this.daemon.mark;
    const knocks = this.#barrier.sequence(this.#barrierCounter);
    this.#barrierCounter += 1;
    await this.send(knocks, { source: BARRIER_SOURCE });
    try {
      await this.daemon.waitForLine(/otpd: (opened|extended) .*door=barrier/, mark, 10_000);
    } catch (cause) {
      const { stdout } = await this.control('status', '--json');
      throw new Error(`the barrier did not open, status: ${stdout}`, { cause });
    }
  }

  /** Tries a connection from a host to the hidden port, and returns what becomes of it. */
  async probe({
    from = this.client,
    family = 4,
    port = HIDDEN_PORT,
  }: {
    from?: NetworkHost;
    family?: 4 | 6;
    port?: number;
  } = {}): Promise<Connection['state']> {
    return (await from.connect(family === 4 ? this.server.ipv4 : this.server.ipv6, port)).state;
  }

  async dispose(): Promise<void> {
    await Promise.all([...this.#running].map((child) => child.end('SIGKILL')));
    await this.network.dispose();
    await rm(this.dir, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  #spawn(host: NetworkHost, argv: readonly string[], env: Record<string, string> = {}): RunningProcess {
    const child = host.spawn(argv, { env });
    this.#running.add(child);
    return child;
  }
}
