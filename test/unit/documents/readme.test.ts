/** The README leads to every page, so a reader who starts there finds each of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DOCUMENTS, documentText } from '../../support/documents/documents.ts';

test('the README leads to every page in docs', () => {
  const readme = documentText('README.md');
  // Pages in docs/design belong to docs/DESIGN.md.
  const pages = DOCUMENTS.filter((document) => /^docs\/[^/]+$/.test(document));
  assert.ok(pages.length > 8, `only ${pages.length} pages found`);
  for (const page of pages) assert.ok(readme.includes(`](${page})`), `README.md has no link to ${page}`);
});

test('the README stays short', () => {
  assert.ok(documentText('README.md').split('\n').length <= 131, 'README.md has more than 130 lines');
});
