/** Finds the capture child of a daemon that runs, for tests that stop it or look at what it may. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';

/** Process id of the one that reads `device`; of any where none is named. A loader for TypeScript may be another child. */
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
      return false; // no process, or gone
    }
  });
  assert.ok(found !== undefined, 'no capture child');
  return Number(found);
}
