/**
 * A host of the network that is a clean Debian (`debian-root.ts`) under an overlay, with its own mount, process and
 * host name namespaces. Commands run as a logged-in user types them. The host borrows Node.js from this machine
 * (program, npm and headers) where the root's own is too old. It dies with the process that started it.
 */
import { access, copyFile, cp, mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { NetworkHost } from './namespaces.ts';
import { type Finished, mustRun, RunningProcess, run, type SpawnOptions } from './running-process.ts';

export interface TypeOptions extends SpawnOptions {
  /** The user who types; root when not given. */
  readonly user?: string;
  /** Uses the network of this machine, which is the only way to download. */
  readonly online?: boolean;
}

/**
 * The namespace removes its mounts. $1 is the lower root, $2 the folder of the host, $3 its name; the rest is borrowed.
 */
const HOLD = `set -e
root=$2/root
mount -t overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" overlay "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
hostname "$3"
shift 3
while [ $# -gt 0 ]; do
  if [ -d "$1" ]; then mkdir -p "$root$2"; else mkdir -p "$(dirname "$root$2")"; : >"$root$2"; fi
  mount --bind "$1" "$root$2"
  mount -o remount,bind,ro "$root$2"
  shift 2
done
exec chroot "$root" sh -c 'echo held; exec cat'`;

export class DebianHost implements AsyncDisposable {
  readonly #net: NetworkHost;
  readonly #dir: string;
  readonly #holder: RunningProcess;
  readonly #pid: number;

  private constructor(net: NetworkHost, dir: string, holder: RunningProcess, pid: number) {
    this.#net = net;
    this.#dir = dir;
    this.#holder = holder;
    this.#pid = pid;
  }

  /** @param folder a folder that is not on an overlay. With `lendsNode: false` the root has a Node.js of its own. */
  static async start(net: NetworkHost, root: string, folder: string, { lendsNode = true } = {}): Promise<DebianHost> {
    const dir = await mkdtemp(join(folder, `${net.name}-`));
    for (const name of ['upper', 'work', 'root']) await mkdir(join(dir, name), { mode: 0o755 });
    const own = ['unshare', '--mount', '--uts', '--pid', '--fork', '--kill-child'];
    const lent = lendsNode ? (await nodeOfThisMachine()).flat() : [];
    const holder = net.spawn([...own, 'sh', '-c', HOLD, 'hold', root, dir, net.name, ...lent], { keepInput: true });
    await holder.waitForLine(/^held$/);
    const children = await readFile(`/proc/${holder.pid}/task/${holder.pid}/children`, 'utf8');
    const host = new DebianHost(net, dir, holder, Number(children.trim()));
    await host.#settle();
    if (lendsNode) await host.#settleNpm();
    return host;
  }

  get net(): NetworkHost {
    return this.#net;
  }

  /** Copies a folder of this machine into the host. */
  async bringFolder(folder: string, to: string): Promise<void> {
    await cp(folder, join(`/proc/${this.#pid}/root`, to), { recursive: true });
  }

  /** Types one line into a login shell, and waits for its end. */
  async type(line: string, { user, online, ...options }: TypeOptions = {}): Promise<Finished> {
    return await run(this.#login(line, user, online), options);
  }

  /** Types one line into a login shell, and lets it run. */
  start(line: string, { user, online, ...options }: TypeOptions = {}): RunningProcess {
    return new RunningProcess(this.#login(line, user, online), options);
  }

  async must(line: string, options: TypeOptions = {}): Promise<string> {
    const { code, stdout, stderr } = await this.type(line, options);
    if (code !== 0) throw new Error(`exit ${code} on ${this.#net.name}: ${line}\n${stdout}${stderr}`);
    return stdout;
  }

  /** Copies a file of this machine into the host. */
  async bring(file: string, to: string): Promise<void> {
    await copyFile(file, join(`/proc/${this.#pid}/root`, to));
  }

  async write(file: string, text: string): Promise<void> {
    await writeFile(join(`/proc/${this.#pid}/root`, file), text);
  }

  async dispose(): Promise<void> {
    await this.#holder.end('SIGKILL');
    await rm(this.#dir, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  #login(line: string, user = 'root', online = false): readonly string[] {
    const spaces = ['--mount', '--uts', '--pid', '--root', '--wd=/', ...(online ? [] : ['--net'])];
    const shell = ['env', '-i', 'LANG=C.UTF-8', 'su', '-', user, '-c', line];
    return ['nsenter', `--target=${this.#pid}`, ...spaces, '--', ...shell];
  }

  /** Names are resolved as on this machine. */
  async #settle(): Promise<void> {
    await this.bring('/etc/resolv.conf', '/etc/resolv.conf');
    // Without its own name in this file, sudo waits for an unreachable name server.
    await this.write('/etc/hosts', `127.0.0.1 localhost\n127.0.1.1 ${this.#net.name}\n`);
  }

  /** npm asks the registry as on this machine. */
  async #settleNpm(): Promise<void> {
    const setting = async (key: string) => (await mustRun(['npm', 'config', 'get', key])).trim();
    const lines = [`registry=${await setting('registry')}`, 'nodedir=/usr/local', 'update-notifier=false'];
    const cafile = await setting('cafile');
    if (cafile !== 'null') {
      await this.bring(cafile, '/etc/ssl/lent.pem');
      lines.push('cafile=/etc/ssl/lent.pem');
    }
    await this.must('mkdir -p /usr/local/etc');
    await this.write('/usr/local/etc/npmrc', `${lines.join('\n')}\n`);
    await this.must('ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm');
  }
}

/** Pairs: a path on this machine, and its path on a host. */
async function nodeOfThisMachine(): Promise<readonly (readonly [string, string])[]> {
  const npm = await realpath((await mustRun(['sh', '-c', 'command -v npm'])).trim());
  const pairs: (readonly [string, string])[] = [
    [process.execPath, '/usr/local/bin/node'],
    [dirname(dirname(npm)), '/usr/local/lib/node_modules/npm'],
  ];
  // Native modules compile against the headers. Without them, node-gyp downloads headers.
  const headers = join(dirname(dirname(process.execPath)), 'include', 'node');
  await access(headers).then(
    () => pairs.push([headers, '/usr/local/include/node']),
    () => {},
  );
  return pairs;
}
