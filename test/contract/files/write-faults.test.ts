/** Makes the writing system calls of a knock fail: a few of them by default, all with KNOCK_OTP_LONG and in CI. */
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { skipWithoutStrace } from '../../support/faults/strace.ts';
import { hasPatience, runInside } from '../../support/host/inside-namespaces.ts';

const INSIDE = fileURLToPath(new URL('./write-faults-inside.ts', import.meta.url));

test('system calls that write, made to fail one by one', { skip: skipWithoutStrace() }, (t) => {
  if (hasPatience()) process.env['KNOCK_OTP_EVERY_CALL'] = 'true';
  runInside(t, INSIDE, { atLeast: 8, mounts: true, timeoutMs: 900_000 });
});
