/** Finds the capture child of a running daemon, for tests that stop it or inspect its privileges. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';

/** Process id of the child that reads `device`, or of any child without it. The loader for TypeScript may be another child. */
export function captureChild(parent: number, device = ''): number {
  const found = readdirSync('/proc').find((pid) => {
    try {
      if (!new RegExp(`^PPid:\\s*${parent}$`, 'm').test(readFileSync(`/proc/${pid}/status`, 'latin1'))) return false;
      const argv = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0');
      return (
        argv.some((word) => /(?:capture\/pcap\/capture-child\.[jt]s|knock-otpd-capture\.cjs)$/.test(word)) &&
        (device === '' || argv.includes(device))
      );
    } catch {
      return false; // not a process, or ended
    }
  });
  assert.ok(found !== undefined, 'no capture child');
  return Number(found);
}
