/**
 * One knock from end to end with the Node.js that runs the tests (`scripts/test --node`): every process has that Node,
 * and none prints a warning about a deprecated or an experimental part of it.
 */
import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { test } from 'node:test';
import { skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import { mustRun } from '../../../scripts/lab/running-process.ts';
import { SYSTEM_PATH } from '../../../server/process/program-search-path.ts';
import { captureChild } from '../../support/daemon/capture-child.ts';
import { Bastion } from '../../support/host/bastion.ts';

const options = { skip: skipWithoutNamespaces(), timeout: 60_000 };
const WARNING = /\bWarning:/;

test('a knock opens, every process has the Node of the tests, and none of them warns', options, async () => {
  await using bastion = await Bastion.create();
  const laptop = await bastion.enroll('laptop');
  const daemon = await bastion.start();
  const said = [
    await bastion.knockOtp(['add', '-', '--as', 'work'], { input: `${laptop.uri}\n` }),
    await bastion.knockOtp(['work']),
    await bastion.control('status'),
    await bastion.control('check'),
  ];
  assert.equal(await bastion.probe(), 'open');

  const inode = (file: string): string => `${statSync(file).dev}:${statSync(file).ino}`;
  assert.equal(inode(`/proc/${daemon.pid}/exe`), inode(process.execPath));
  const [node = ''] = readFileSync(`/proc/${captureChild(daemon.pid)}/cmdline`, 'latin1').split('\0');
  assert.equal(inode(node), inode(process.execPath));

  said.push(await bastion.stop());
  for (const { code, stdout, stderr } of said) {
    assert.equal(code, 0, stderr);
    assert.doesNotMatch(`${stdout}${stderr}`, WARNING);
  }
});

test('node is the Node of the tests, found by PATH and by the path of the system', async () => {
  for (const PATH of [process.env['PATH'] ?? '', SYSTEM_PATH]) {
    const found = await mustRun(['node', '-p', 'process.version'], { env: { PATH } }).catch((error) => error as Error);
    // A Node outside of the system's path is none that a program could find by mistake.
    if (PATH === SYSTEM_PATH && found instanceof Error) continue;
    assert.equal(found, `${process.version}\n`);
  }
});
