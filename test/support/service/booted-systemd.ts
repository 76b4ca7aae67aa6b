/**
 * systemd as process 1 of its own machine, which boot-systemd.sh makes from this one. Units run there under the kernel's own
 * restrictions, and packages are installed there; this machine does not change. Its network is that of a host of the lab.
 * Needs real root, systemd, overlay mounts and a cgroup2 hierarchy in which it can create a group.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NetworkHost } from '../../../scripts/lab/namespaces.ts';
import { type Finished, RunningProcess, run, type SpawnOptions } from '../../../scripts/lab/running-process.ts';

const repository = fileURLToPath(new URL('../../../', import.meta.url));
const script = fileURLToPath(new URL('./boot-systemd.sh', import.meta.url));
const SYSTEMD = ['/lib/systemd/systemd', '/usr/lib/systemd/systemd'];

/** Why it is not possible on this machine; undefined when it is. */
export function noSystemd(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root can start a machine of its own';
  if (!/^\s*0\s+0\s+4294967295$/m.test(readFileSync('/proc/self/uid_map', 'utf8'))) return 'root of a user namespace';
  if (!SYSTEMD.some((path) => existsSync(path))) return 'systemd is not installed';
  const hierarchy = cgroupHierarchy();
  if (hierarchy === undefined) return 'there is no cgroup2 hierarchy';
  const group = join(hierarchy, `knock-otp-probe-${process.pid}`);
  const overlay =
    'mount -t tmpfs none "$0" && cd "$0" && mkdir u w r && mount -t overlay -o lowerdir=/,upperdir=u,workdir=w none r';
  const folder = mkdtempSync(join(tmpdir(), 'knock-otp-probe-'));
  try {
    mkdirSync(group);
    rmdirSync(group);
    const { status, stderr } = spawnSync('unshare', ['-m', 'sh', '-c', overlay, folder], { encoding: 'utf8' });
    return status === 0 ? undefined : `no overlay mounts: ${stderr.trim()}`;
  } catch (error) {
    return `no cgroup can be made: ${(error as Error).message}`;
  } finally {
    rmdirSync(folder);
  }
}

export class BootedSystemd implements AsyncDisposable {
  readonly #pid: number;
  readonly #gone: Promise<unknown>;
  readonly #group: string;
  readonly #folder: string;
  readonly #host: NetworkHost;

  private constructor(host: NetworkHost, pid: number, gone: Promise<unknown>, group: string, folder: string) {
    this.#host = host;
    this.#pid = pid;
    this.#gone = gone;
    this.#group = group;
    this.#folder = folder;
  }

  /** Resolves when its basic services run. */
  static async boot(host: NetworkHost): Promise<BootedSystemd> {
    const folder = mkdtempSync(join(tmpdir(), 'knock-otp-boot-'));
    const group = join(cgroupHierarchy() ?? '', `knock-otp-${process.pid}`);
    mkdirSync(group);
    const words = [script, folder, repository, realpathSync(join(repository, 'node_modules')), process.execPath];
    const namespaces = ['--mount', '--uts', '--ipc', '--cgroup', '--pid', '--fork', '--kill-child'];
    const enter = 'echo 0 >"$0/cgroup.procs" && exec "$@"';
    const [program = '', ...args] = host.inside(['sh', '-c', enter, group, 'unshare', ...namespaces, 'sh', ...words]);
    const outer = spawn('setpriv', ['--pdeathsig', 'KILL', '--', program, ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    outer.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    const gone = once(outer, 'close');
    const deadline = performance.now() + 60_000;
    for (;;) {
      const [first] = childrenOf(outer.pid ?? 0);
      if (first !== undefined && /^systemd$/m.test(readFileSync(`/proc/${first}/comm`, 'utf8'))) {
        const machine = new BootedSystemd(host, first, gone, group, folder);
        const { code, stdout } = await machine.run(['systemctl', 'is-system-running', '--wait']);
        if (code === 0) return machine;
        if (/degraded/.test(stdout)) {
          const failed = await machine.run(['systemctl', '--failed', '--no-pager']);
          await machine.dispose();
          throw new Error(`systemd started with failures: ${failed.stdout}`);
        }
      }
      if (outer.exitCode !== null || performance.now() > deadline) {
        outer.kill('SIGKILL');
        await gone;
        throw new Error(`systemd did not start: ${said}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Returns the path by which this process reaches a path of the machine. */
  path(inside: string): string {
    return join(`/proc/${this.#pid}/root`, inside);
  }

  /** Runs a command in the machine as root. `from`: on another host's network. */
  async run(argv: readonly string[], options: SpawnOptions = {}, from = this.#host): Promise<Finished> {
    return await run(this.#inside(argv, from), { timeoutMs: 120_000, ...options });
  }

  spawn(argv: readonly string[], options: SpawnOptions = {}): RunningProcess {
    return new RunningProcess(this.#inside(argv, this.#host), options);
  }

  /** Runs a shell line in the machine. Fails the test when the line fails. */
  async must(line: string, options: SpawnOptions = {}): Promise<string> {
    const { code, stdout, stderr } = await this.run(['sh', '-c', line], options);
    if (code !== 0) throw new Error(`exit ${code}: ${line}\n${stdout}${stderr}`);
    return stdout;
  }

  /** Returns a property of a unit from the service manager. */
  async show(unit: string, property: string): Promise<string> {
    return (await this.must(`systemctl show --value --property=${property} ${unit}`)).trim();
  }

  #inside(argv: readonly string[], host: NetworkHost): readonly string[] {
    const namespaces = ['-m', '-p', '-C', '-i', '-u'];
    const path = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
    const clean = ['env', '-i', path, 'HOME=/root', 'DEBIAN_FRONTEND=noninteractive', 'LC_ALL=C.UTF-8', ...argv];
    return host.inside(['nsenter', '-t', `${this.#pid}`, ...namespaces, '--', ...clean]);
  }

  async dispose(): Promise<void> {
    try {
      process.kill(this.#pid, 'SIGKILL');
    } catch {
      // The process has ended.
    }
    await this.#gone;
    removeGroup(this.#group);
    rmdirSync(this.#folder);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }
}

function cgroupHierarchy(): string | undefined {
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  return mounts.map((line) => line.split(' ')).find(([, , type]) => type === 'cgroup2')?.[1];
}

/** Retries: a process that is being reaped keeps its group busy for a moment. */
function removeGroup(group: string): void {
  for (const entry of readdirSync(group, { withFileTypes: true }))
    if (entry.isDirectory()) removeGroup(join(group, entry.name));
  for (let tries = 1; ; tries += 1) {
    try {
      rmdirSync(group);
      return;
    } catch (error) {
      if (tries === 100) throw error;
      execFileSync('sleep', ['0.05']);
    }
  }
}

function childrenOf(pid: number): readonly number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ').filter(Boolean).map(Number);
    return children;
  } catch {
    return [];
  }
}
