/** The last line of a capture child, in a separate process, because that line ends the process. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../../../../support/daemon/failing-child.ts', import.meta.url));

test('when a child fails while its stderr is full then its reason arrives whole once the daemon reads', async () => {
  const child = spawn(process.execPath, ['--import', 'tsx', program], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  await once(child.stdout, 'data');
  child.stderr.setEncoding('latin1').on('data', (text: string) => {
    said += text;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  assert.equal(code, 1);
  assert.match(said, /\nknock-otp-capture: the device is gone\n$/);
});
