/** The version that both programs say, and that documents name. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { tarballsIn } from '../../../../scripts/lab/typed-session.ts';
import { version } from '../../../../shared/files/version.ts';
import { DOCUMENTS, documentText } from '../../../support/documents/documents.ts';

test("the version is the package's", () => {
  const manifest = readFileSync(new URL('../../../../package.json', import.meta.url), 'utf8');
  assert.equal(version(), (JSON.parse(manifest) as { version: string }).version);
  assert.match(version(), /^\d+\.\d+\.\d+/);
});

test("documents name the tarball that npm pack makes of the package's version", () => {
  const packed = `knock-otp-${version()}.tgz`;
  const named = DOCUMENTS.map((document) => ({ document, names: tarballsIn(documentText(document)) }));
  assert.deepEqual(named.find(({ document }) => document === 'docs/INSTALL.md')?.names, [packed]);
  for (const { document, names } of named) {
    for (const name of names) assert.equal(name, packed, `${document} names another version's tarball`);
  }
});
