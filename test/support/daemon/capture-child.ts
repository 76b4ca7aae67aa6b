/** Finds the capture child of a running daemon, for tests that stop it or inspect its privileges. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';

/**
 * Process id of the child that reads `device`, or of any child without it. `ancestor` is the daemon, or a program through
 * which it was started.
 */
export function captureChild(ancestor: number, device = ''): number {
  const found = readdirSync('/proc').find((pid) => {
    try {
      const argv = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0');
      return (
        argv.some((word) => /(?:capture\/pcap\/capture-child\.[jt]s|knock-otpd-capture\.cjs)$/.test(word)) &&
        (device === '' || argv.includes(device)) &&
        descends(Number(pid), ancestor)
      );
    } catch {
      return false; // not a process, or ended
    }
  });
  assert.ok(found !== undefined, 'no capture child');
  return Number(found);
}

function descends(pid: number, ancestor: number): boolean {
  const parent = Number(/^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0);
  return parent === ancestor || (parent > 1 && descends(parent, ancestor));
}
