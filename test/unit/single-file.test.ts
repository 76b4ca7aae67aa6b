/** What is in the client as one file. That it works is test/e2e/single-file.test.ts. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { bundleClient } from '../../scripts/build/single-file.ts';
import { inHome } from '../support/client-deps.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

test('the single file carries the licence of each package that is in it', async () => {
  await inHome(async (folder) => {
    const file = join(folder, 'knock-otp.cjs');
    await bundleClient(root, file);
    const text = await readFile(file, 'utf8');
    for (const name of ['@noble/hashes', '@otplib/core', 'commander', 'ini', 'ipaddr.js', 'picocolors']) {
      const { version } = JSON.parse(await readFile(join(root, 'node_modules', name, 'package.json'), 'utf8')) as {
        version: string;
      };
      const at = text.indexOf(`\n${name} ${version}\n`);
      assert.ok(at > 0, name);
      assert.match(text.slice(at, at + 800), /Permission|permission/, `${name}: no licence text`);
    }
  });
});
