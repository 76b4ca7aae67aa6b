/** A capture that has started on a host of the lab, and what it says of its interfaces. */
import type { NetworkHost } from '../../../scripts/lab/namespaces.ts';
import type { RunningProcess } from '../../../scripts/lab/running-process.ts';
import { supportProgram } from '../host/built.ts';

const captureMain = supportProgram('daemon/capture-main');

function listen(host: NetworkHost, mode: 'tcp' | 'udp' | 'any' | 'count', ...interfaces: string[]): RunningProcess {
  return host.spawn([process.execPath, captureMain, mode, ...interfaces], { timeoutMs: 55_000 });
}

export async function listening(
  host: NetworkHost,
  mode: 'tcp' | 'udp' | 'any' | 'count',
  ...interfaces: string[]
): Promise<RunningProcess> {
  const capture = listen(host, mode, ...interfaces);
  await capture.waitForLine(/^started$/);
  return capture;
}

export function states(capture: RunningProcess): string[] {
  return capture.stderr
    .split('\n')
    .filter((line) => line.startsWith('state '))
    .map((line) => line.split(' ').slice(1, 3).join(' '));
}
