/** Measures the cost of a daemon from /proc: CPU time and memory of a process and all its descendants. */
import { readdirSync, readFileSync } from 'node:fs';

export interface Cost {
  /** CPU milliseconds so far: of all live threads, and of children that ended. */
  readonly cpuMs: number;
  /** Resident kilobytes of all processes together; shared pages count twice. */
  readonly rssKb: number;
  readonly processes: number;
}

/** USER_HZ, which is 100 on every Linux that Node runs on. */
const TICK_MS = 10;

export function costOf(root: number): Cost {
  let cpuMs = 0;
  let rssKb = 0;
  const tree = treeOf(root);
  for (const pid of tree) {
    try {
      for (const thread of readdirSync(`/proc/${pid}/task`)) {
        // Nanoseconds on a CPU: ticks are too coarse for an idle daemon.
        const [nanoseconds = '0'] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ');
        cpuMs += Number(nanoseconds) / 1e6;
      }
      const fields = statFields(pid);
      cpuMs += (Number(fields[13]) + Number(fields[14])) * TICK_MS;
      rssKb += Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
    } catch {
      // The process has ended; the sum of its parent includes it.
    }
  }
  return { cpuMs, rssKb, processes: tree.length };
}

/** The process and its live descendants. */
function treeOf(root: number): readonly number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^[0-9]+$/.test(name)) continue;
    try {
      const parent = Number(statFields(Number(name))[1]);
      children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
    } catch {
      // The process has ended.
    }
  }
  const tree = [root];
  for (const pid of tree) tree.push(...(children.get(pid) ?? []));
  return tree;
}

/**
 * The fields of /proc/PID/stat from the state on; the name before it may hold any character. [1] parent, [13] [14] CPU
 * of ended children.
 */
function statFields(pid: number): readonly string[] {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}
