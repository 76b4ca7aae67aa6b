/** Runs fed-daemon.mjs: takes knocks as lines, returns the log. Bundled first, because tests start it thousands of times. */
import { randomBytes } from 'node:crypto';
import { readFileSync, renameSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import { RunningProcess } from '../../../scripts/lab/running-process.ts';
import type { FedWorld, Sent } from './fed-world.ts';

const source = fileURLToPath(new URL('./fed-daemon.mjs', import.meta.url));
const bundle = fileURLToPath(new URL('../../../dist/fed-daemon.mjs', import.meta.url));
let isBundled = false;
/** Generous, for a busy machine. */
const START_TIMEOUT_MS = 60_000;

/** Bundles the compiled daemon into one file, in a place from which its native modules are found. */
function bundled(): string {
  if (isBundled) return bundle;
  const fresh = `${bundle}.${randomBytes(4).toString('hex')}`;
  buildSync({
    entryPoints: [source],
    outfile: fresh,
    bundle: true,
    platform: 'node',
    format: 'esm',
    external: ['better-sqlite3', 'cap', 'koffi'],
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    logLevel: 'error',
  });
  renameSync(fresh, bundle);
  isBundled = true;
  return bundle;
}

export class FedProcess implements AsyncDisposable {
  readonly process: RunningProcess;

  private constructor(world: FedWorld, around: readonly string[]) {
    this.process = new RunningProcess([...around, process.execPath, bundled(), world.configFile], {
      keepInput: true,
      env: { NODE_EXTRA_CA_CERTS: '' },
    });
  }

  static async start(world: FedWorld): Promise<FedProcess> {
    const fed = FedProcess.launch(world);
    await fed.process.waitForLine(/\bready\b/, 0, START_TIMEOUT_MS);
    return fed;
  }

  /** Starts the daemon without waiting; `around` is a command that wraps it. */
  static launch(world: FedWorld, around: readonly string[] = []): FedProcess {
    return new FedProcess(world, around);
  }

  send({ line }: Sent): void {
    this.process.write(`${line}\n`);
  }

  /** Sends a knock and waits for its result, which the log has for every unspent knock in its window. */
  async knock(sent: Sent): Promise<'opened' | 'not opened' | 'refused'> {
    const { mark } = this.process;
    this.send(sent);
    const source = sent.source.replaceAll('.', '\\.');
    const said = await this.process.waitForLine(
      new RegExp(
        `(opened|refused: replay) .*source=${source}\\b|not opened: .*source=${source}\\b|^${source}: paper: OPEN`,
      ),
      mark,
    );
    if (said.includes('not opened')) return 'not opened';
    return said.includes('refused') ? 'refused' : 'opened';
  }

  /** Kills the commands that the daemon runs now, but not the daemon. Returns how many there were. */
  killCommands(): number {
    const { pid } = this.process;
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean);
    for (const child of children) {
      try {
        process.kill(Number(child), 'SIGKILL');
      } catch {
        // The process has ended meanwhile.
      }
    }
    return children.length;
  }

  async kill(): Promise<void> {
    await this.process.end('SIGKILL');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}
