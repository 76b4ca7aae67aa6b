/** Runs in a new process with nothing loaded, where the first call for the time takes longest. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

const module = fileURLToPath(new URL('../../../../dist/server/clock/monotonic.js', import.meta.url));

test('a new process counts the same monotonic milliseconds as the kernel', () => {
  const program = `const { monotonicMs } = await import(${JSON.stringify(module)});
    const [seconds, nanoseconds] = process.hrtime();
    console.log(monotonicMs() - (seconds * 1000 + nanoseconds / 1e6));`;
  const apart = [1, 2, 3].map(() =>
    Math.abs(Number(execFileSync(process.execPath, ['--input-type=module', '-e', program]))),
  );
  // A busy machine may suspend the process between two calls; a wrong origin would be wrong each time.
  assert.ok(Math.min(...apart) < 1, `${apart.join(', ')} ms apart`);
});
