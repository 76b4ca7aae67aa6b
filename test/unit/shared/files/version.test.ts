/** The version that both programs print. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { version } from '../../../../shared/files/version.ts';

test("the version is the package's", () => {
  const manifest = readFileSync(new URL('../../../../package.json', import.meta.url), 'utf8');
  assert.equal(version(), (JSON.parse(manifest) as { version: string }).version);
  assert.match(version(), /^\d+\.\d+\.\d+/);
});
