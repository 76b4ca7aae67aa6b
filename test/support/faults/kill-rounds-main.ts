/**
 * The program behind scripts/kill-rounds: divides the rounds among three runs in their own namespaces, and adds them
 * up.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { SUMMARY_PREFIX, type Summary } from './kill-plan.ts';

const USAGE = `usage: scripts/kill-rounds [--rounds N] [--only daemon|client|capture]
  --rounds N   rounds in all; default 1000
  --only WHO   only the daemon with its doors' commands, the client, or the capture process`;

/** Shares of a hundred rounds. A round with a capture process takes longest, because a process must start. */
const KINDS = {
  daemon: { share: 45, file: 'kill-rounds-daemon-inside.ts' },
  client: { share: 40, file: 'kill-rounds-clients-inside.ts' },
  capture: { share: 15, file: 'kill-rounds-captures-inside.ts' },
} as const;
type Kind = keyof typeof KINDS;

const SAY_EVERY_MS = 60_000;
const KEPT_OUTPUT = 20_000;

const { rounds, kinds } = asked();
const summaries = new Map<Kind, Summary>();
const failures: string[] = [];
/** Prints at once, because a long run may be ended before its summary. */
const fail = (failure: string): void => {
  failures.push(failure);
  console.error(`kill-rounds: ${failure}`);
};
const begun = Date.now();
const saying = setInterval(() => console.error(`kill-rounds: ${describe()}`), SAY_EVERY_MS);
const shares = sharesOf(rounds, kinds);
await Promise.all(shares.map(([kind, some]) => run(kind, some)));
clearInterval(saying);
const held = failures.length === 0 ? 'nothing was used twice, opened that should not, or stayed open' : 'FAILED';
console.log(`${describe()}: ${held}`);
process.exitCode = failures.length === 0 ? 0 : 1;

async function run(kind: Kind, some: number): Promise<void> {
  const own = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user'];
  const file = fileURLToPath(new URL(`../../contract/kill-rounds/${KINDS[kind].file}`, import.meta.url));
  const argv = [...own, '--net', '--mount', '--kill-child', '--fork', process.execPath, '--import', 'tsx', file];
  // No time limit and no directory of an earlier run may reduce the number of rounds.
  const { KNOCK_OTP_ROUNDS_MS: _ms, KNOCK_OTP_ROUNDS_DIR: _dir, ...environment } = process.env;
  const child: ChildProcess = spawn('unshare', argv, {
    env: { ...environment, KNOCK_OTP_ROUNDS: `${some}` },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue;
    createInterface({ input: stream }).on('line', (line) => {
      if (line.startsWith(SUMMARY_PREFIX)) summaries.set(kind, JSON.parse(line.slice(SUMMARY_PREFIX.length)));
      else said = `${said}${line}\n`.slice(-KEPT_OUTPUT);
    });
  }
  const [code] = (await once(child, 'close').catch((error: unknown) => [String(error)])) as [unknown];
  const done = summaries.get(kind)?.rounds ?? 0;
  if (code !== 0) fail(`${kind}: ended with ${code} after ${done} rounds\n${said}`);
  else if (done < some) fail(`${kind}: only ${done} of ${some} rounds`);
}

/** The sums of all summaries so far. */
function describe(): string {
  const sums: Record<string, number> = {};
  for (const summary of summaries.values()) {
    for (const [name, count] of Object.entries(summary)) sums[name] = (sums[name] ?? 0) + count;
  }
  const of = (name: string) => sums[name] ?? 0;
  const minutes = ((Date.now() - begun) / 60_000).toFixed(1);
  return (
    `${of('rounds')} of ${rounds} rounds in ${minutes} min: killed the daemon ${of('daemonKills')} times, its commands ` +
    `${of('commandKills')}, the client ${of('clientKills')}, the capture process ${of('captureKills')}; ` +
    `${of('opened')} openings, ${of('replays')} replays, ${of('halfSeen')} knocks half seen, ${of('reloads')} reloads`
  );
}

function sharesOf(all: number, wanted: readonly Kind[]): readonly (readonly [Kind, number])[] {
  const sum = wanted.reduce((total, kind) => total + KINDS[kind].share, 0);
  let left = all;
  return wanted.map((kind, at) => {
    const some = at === wanted.length - 1 ? left : Math.floor((all * KINDS[kind].share) / sum);
    left -= some;
    return [kind, some];
  });
}

function asked(): { readonly rounds: number; readonly kinds: readonly Kind[] } {
  const all = Object.keys(KINDS) as Kind[];
  try {
    const { values } = parseArgs({
      options: {
        rounds: { type: 'string', default: '1000' },
        only: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
    if (values.help) {
      console.log(USAGE);
      process.exit(0);
    }
    if (!/^[1-9][0-9]{0,8}$/.test(values.rounds)) return usage('--rounds is a whole number');
    const only = all.find((kind) => kind === values.only);
    if (values.only !== undefined && only === undefined) return usage(`--only is one of ${all.join(', ')}`);
    return { rounds: Number(values.rounds), kinds: only === undefined ? all : [only] };
  } catch (error) {
    return usage((error as Error).message);
  }
}

function usage(problem: string): never {
  console.error(`kill-rounds: ${problem}\n${USAGE}`);
  process.exit(2);
}
