/** The rights of every thread of a process: one that keeps its own could give them back to all. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';

const FIELDS = ['Uid', 'Gid', 'Groups', 'CapEff', 'CapPrm', 'NoNewPrivs', 'Seccomp'] as const;
export type ThreadRights = Readonly<Record<(typeof FIELDS)[number], string>>;

/** As in /proc/PID/status, with single blanks. */
export function rightsOfThreads(pid: number): readonly ThreadRights[] {
  return readdirSync(`/proc/${pid}/task`).map((thread) => {
    const text = readFileSync(`/proc/${pid}/task/${thread}/status`, 'latin1');
    const of = (field: string): string =>
      new RegExp(`^${field}:(.*)$`, 'm').exec(text)?.[1]?.trim().replaceAll(/\s+/g, ' ') ?? assert.fail(field);
    return Object.fromEntries(FIELDS.map((field) => [field, of(field)])) as ThreadRights;
  });
}

/** Fails unless each thread is nobody without any right. Node has several threads, so more than one must be there. */
export function assertNobody(pid: number): void {
  const threads = rightsOfThreads(pid);
  assert.ok(threads.length > 1, `${threads.length} threads`);
  const four = '65534 65534 65534 65534';
  const none = '0000000000000000';
  const nobody = { Uid: four, Gid: four, Groups: '', CapEff: none, CapPrm: none, NoNewPrivs: '1', Seccomp: '2' };
  assert.deepEqual(
    threads,
    threads.map(() => nobody),
  );
}
