/**
 * Builds hosts for end-to-end tests: network namespaces on one switch, each with eth0, an IPv4 and an IPv6 address. The
 * namespaces are anonymous. A holder process keeps each one and reads from a pipe of this process, so the kernel removes
 * all of them when this process ends, however it ends. Works as root, and as root of a user namespace (`unshare -Urnm`).
 * Does not touch the network of the host.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { type Finished, mustRun, RunningProcess, run, type SpawnOptions } from './running-process.ts';

export type Availability = { readonly ok: true } | { readonly ok: false; readonly reason: string };

/** Whether namespaces, veth pairs, a bridge and nftables are available here; tried once. */
export function namespacesAvailable(): Availability {
  availability ??= probe();
  return availability;
}

let availability: Availability | undefined;

function probe(): Availability {
  if (process.platform !== 'linux') return { ok: false, reason: `no network namespaces on ${process.platform}` };
  if (process.getuid?.() !== 0) {
    return { ok: false, reason: 'not root: run as root or through scripts/test, which makes a user namespace' };
  }
  const script = 'ip link add veth0 type veth peer name veth1 && ip link add br0 type bridge && nft list ruleset';
  const { status, error, stderr } = spawnSync('unshare', ['-n', 'sh', '-c', script], { encoding: 'utf8' });
  if (status === 0) return { ok: true };
  return { ok: false, reason: `no network namespaces: ${(error?.message ?? stderr).trim().split('\n')[0]}` };
}

/**
 * The `skip` option of an end-to-end test: the reason, or false where the test can run. With CI=true the test always
 * runs, and fails where it cannot run, because a test that CI skips protects nothing.
 */
export function skipWithoutNamespaces(): string | false {
  const found = namespacesAvailable();
  return found.ok || process.env['CI'] === 'true' ? false : found.reason;
}

export interface Connection {
  readonly state: 'open' | 'refused' | 'silent';
  readonly banner: string;
}

/** One namespace. `eth0` is its link to the switch. */
export class NetworkHost {
  readonly name: string;
  readonly ipv4: string;
  readonly ipv6: string;
  readonly mac: string;
  readonly #pid: number;

  constructor(name: string, number: number, pid: number) {
    this.name = name;
    this.ipv4 = `10.77.0.${number}`;
    this.ipv6 = `fd77::${number}`;
    this.mac = `02:00:00:00:77:${number.toString(16).padStart(2, '0')}`;
    this.#pid = pid;
  }

  /** The file that names the namespace, for `ip link ... netns`. */
  get holderPid(): number {
    return this.#pid;
  }

  /** The command, in this namespace. nsenter execs the command, so the process id is that of the command. */
  inside(argv: readonly string[]): readonly string[] {
    return ['nsenter', `--net=/proc/${this.#pid}/ns/net`, '--', ...argv];
  }

  spawn(argv: readonly string[], options: SpawnOptions = {}): RunningProcess {
    return new RunningProcess(this.inside(argv), options);
  }

  async run(argv: readonly string[], options: SpawnOptions = {}): Promise<Finished> {
    return await run(this.inside(argv), options);
  }

  /** Fails the test when the command fails. */
  async must(argv: readonly string[], options: SpawnOptions = {}): Promise<string> {
    return await mustRun(this.inside(argv), options);
  }

  /**
   * Tries one TCP connection from here and closes it at once: `open` with the first line of the service, `refused`, or
   * `silent` after 0.7 seconds. The kernel repeats its SYN only after one second.
   */
  async connect(address: string, port: number): Promise<Connection> {
    const script = 'exec 3<>"/dev/tcp/$0/$1" || exit 3; read -t 0.3 -r line <&3; echo "$line"';
    const { code, stdout } = await this.run(['timeout', '0.7', 'bash', '-c', script, address, `${port}`]);
    if (code === 0) return { state: 'open', banner: stdout.trim() };
    return { state: code === 3 ? 'refused' : 'silent', banner: '' };
  }

  /** Runs commands of iproute2, one a line, in one process. */
  async ip(batch: string): Promise<void> {
    await this.must(['ip', '-batch', '-'], { input: `${batch}\n` });
  }
}

/** Hosts on a switch. `await using` or dispose() removes all of it. */
export class Network implements AsyncDisposable {
  readonly #holders: ChildProcess[] = [];
  readonly #hosts = new Map<string, NetworkHost>();
  #switch: NetworkHost | undefined;

  static async create(names: readonly string[]): Promise<Network> {
    const network = new Network();
    try {
      network.#switch = new NetworkHost('switch', 254, await network.#hold());
      // No snooping: neighbour solicitations are multicast, and no host here sends membership reports.
      await network.#switch.ip('link add br0 type bridge mcast_snooping 0\nlink set br0 up\nlink set lo up');
      for (const [index, name] of names.entries()) {
        const host = new NetworkHost(name, index + 1, await network.#hold());
        network.#hosts.set(name, host);
        await host.ip('link set lo up');
        await network.plug(host);
      }
      return network;
    } catch (error) {
      await network.dispose();
      throw error;
    }
  }

  host(name: string): NetworkHost {
    const host = this.#hosts.get(name);
    if (host === undefined) throw new Error(`no host ${name} in this network`);
    return host;
  }

  /** Gives the host its eth0, with its addresses unless `addresses` is false. Works after unplug, too. */
  async plug(host: NetworkHost, { addresses = true } = {}): Promise<void> {
    const port = `to-${host.name}`;
    await this.#switchHost().ip(
      `link add ${port} type veth peer name eth0 address ${host.mac} netns ${host.holderPid}\nlink set ${port} master br0 up`,
    );
    await host.ip('link set eth0 up');
    if (addresses) await this.address(host);
  }

  async address(host: NetworkHost, ipv4 = host.ipv4): Promise<void> {
    // nodad: an IPv6 address is usable at once, and not only after the second that duplicate detection takes.
    await host.ip(`addr add ${ipv4}/24 dev eth0\naddr add ${host.ipv6}/64 dev eth0 nodad`);
  }

  /** Deletes the host's eth0. */
  async unplug(host: NetworkHost): Promise<void> {
    await host.ip('link del eth0');
  }

  async dispose(): Promise<void> {
    const ends = this.#holders.splice(0).map(async (holder) => {
      if (holder.exitCode !== null || holder.signalCode !== null) return;
      const end = once(holder, 'exit');
      holder.stdin?.end();
      await end;
    });
    await Promise.all(ends);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  #switchHost(): NetworkHost {
    if (this.#switch === undefined) throw new Error('the network is not there yet');
    return this.#switch;
  }

  async #hold(): Promise<number> {
    // `cat` ends when the pipe closes at this end. The kernel closes it even after SIGKILL.
    const holder = spawn('unshare', ['-n', 'sh', '-c', 'echo held; exec cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#holders.push(holder);
    if (holder.pid === undefined) throw new Error('cannot start unshare');
    const [first] = (await Promise.race([once(holder.stdout, 'data'), once(holder, 'exit')])) as [unknown];
    if (!String(first).startsWith('held')) throw new Error(`cannot make a network namespace: exit ${first}`);
    return holder.pid;
  }
}
