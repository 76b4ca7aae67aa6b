/** The client as one file, alone in a folder, with bare node: it adds, lists, knocks and shows. */
import assert from 'node:assert/strict';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { bundleClient } from '../../../scripts/build/single-file.ts';
import { skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import type { Finished } from '../../../scripts/lab/running-process.ts';
import { Bastion } from '../../support/host/bastion.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const options = { skip: skipWithoutNamespaces(), timeout: 120_000 };

test('the single file knocks from an empty folder with bare node', options, async () => {
  await using bastion = await Bastion.create({
    doors: '[ssh]\notp = hotp\nopen = nftables tcp/22\ncmd_timeout = 30\n',
  });
  const folder = join(bastion.dir, 'alone');
  await mkdir(folder);
  await bundleClient(root, join(folder, 'knock-otp.cjs'));
  const env = await bastion.clientHome(bastion.client);
  const type = async (words: string, input = ''): Promise<Finished> =>
    await bastion.client.run(['sh', '-c', `cd "${folder}" && exec ${words}`], { input, env });

  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
  assert.equal((await type('./knock-otp.cjs --version')).stdout, `${version}\n`);
  const help = await type('node knock-otp.cjs --help');
  assert.match(help.stdout, /opens a hidden door on HOST/);

  const laptop = await bastion.enroll('laptop');
  await bastion.start();
  const added = await type('node knock-otp.cjs add - --as work', `${laptop.uri}\n`);
  assert.equal(added.code, 0, added.stderr);
  const listed = await type('node knock-otp.cjs list --json');
  assert.equal((JSON.parse(listed.stdout) as { name: string }[])[0]?.name, 'work');
  const knocked = await type('node knock-otp.cjs work');
  assert.equal(knocked.code, 0, knocked.stderr);
  assert.match(knocked.stdout, /^open: work \(.*\), door ssh, tcp\/22$/m);
  assert.equal(await bastion.probe(), 'open');

  // Modules that load on demand: the codes of apps, and the waiting line of a terminal.
  const code = await type('node knock-otp.cjs show work --code');
  assert.match(code.stdout, /\b[0-9]{6}\b/);
  await bastion.stop();
  // Removes the door's table with its guard, and drops all packets instead, so that the door never opens.
  await bastion.server.must(['nft', 'flush', 'ruleset']);
  await bastion.server.must([
    'nft',
    'add table inet shut; add chain inet shut in { type filter hook input priority 0; policy drop; }',
  ]);
  const line = 'node knock-otp.cjs work --timeout 1';
  const waited = await type(`script -qec "stty cols 100; ${line}" /dev/null`);
  assert.equal(waited.code, 1);
  assert.match(waited.stdout, /(knocking at|verifying) work/);
  const withoutColumns = await type(`script -qec "stty cols 0; ${line}" /dev/null`);
  assert.equal(withoutColumns.code, 1, 'a terminal without columns');
  assert.match(waited.stdout, /error:.* did not open/);

  assert.deepEqual(await readdir(folder), ['knock-otp.cjs']);
});
