/** What is in the programs as single files. That they work is the end-to-end tests' to show. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { bundleClient, bundleServer } from '../../../scripts/build/single-file.ts';
import { inHome } from '../../support/client/client-deps.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));

test('the files of the programs carry the licence of each package that is in them', async () => {
  await inHome(async (folder) => {
    await bundleClient(root, join(folder, 'knock-otp.cjs'));
    await bundleServer(root, folder);
    const both = ['@noble/hashes', '@otplib/core', 'commander', 'ini', 'ipaddr.js', 'picocolors'];
    for (const [file, names] of [
      ['knock-otp', both],
      ['knock-otpd', [...both, 'string-argv', 'uqr', 'write-file-atomic']],
    ] as const) {
      const text = await readFile(join(folder, `${file}.cjs`), 'utf8');
      for (const name of names) {
        const { version } = JSON.parse(await readFile(join(root, 'node_modules', name, 'package.json'), 'utf8')) as {
          version: string;
        };
        const at = text.indexOf(`\n${name} ${version}\n`);
        assert.ok(at > 0, `${file}: ${name}`);
        assert.match(text.slice(at, at + 800), /Permission|permission/, `${name}: no licence text`);
      }
    }
  });
});

test('what only takes packets in has of packages the one of addresses, and no word of secrets', async () => {
  await inHome(async (folder) => {
    await bundleServer(root, folder);
    for (const name of ['capture', 'listen']) {
      const text = await readFile(join(folder, `knock-otpd-${name}.cjs`), 'utf8');
      const packages = [...text.matchAll(/^\/\/ node_modules\/((?:@[^/]+\/)?[^/]+)/gm)].map(([, found]) => found);
      assert.deepEqual([...new Set(packages)], ['ipaddr.js'], name);
      assert.doesNotMatch(text, /deriveSequence|derivationKey|base32/i, name);
    }
  });
});
