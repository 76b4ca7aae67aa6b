/** How much memory is in use: what a collection leaves, because garbage is no use and its amount depends on the Node version. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Bytes, after a collection. */
export function memoryInUse(kind: 'heapUsed' | 'arrayBuffers'): number {
  collect();
  return process.memoryUsage()[kind];
}
