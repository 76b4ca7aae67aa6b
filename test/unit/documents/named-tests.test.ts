/** Documents name the tests that show what they promise: each of these is there, under the title that is quoted. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('../../../', import.meta.url));
/** Made when an input fails, and not kept. */
const MADE_LATER = ['test/fuzz/failures'];
const documents = [
  ...readdirSync(join(repository, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
];

interface Named {
  readonly where: string;
  /** With or without `.ts` at its end; may be a folder. */
  readonly path: string;
  readonly titles: readonly string[];
}

/** `test/unit/x.test.ts` "title" and "title": a title is quoted right behind its file, cut where it likes. */
function namedIn(document: string, text: string): readonly Named[] {
  const found = text.matchAll(/`(test\/[\w./-]+)`((?:,?\s+(?:and\s+)?"[^"]+")*)/g);
  return [...found].map(([, path = '', titles = '']) => ({
    where: `${document}: ${path}`,
    path,
    titles: [...titles.matchAll(/"([^"]+)"/g)].map(([, title = '']) => title.replaceAll(/\s+/g, ' ')),
  }));
}

/** What stands between the quotes of test(...) and describe(...); of a template, its text with the places as they are. */
function titlesOf(source: string): readonly string[] {
  const calls = source.matchAll(/\b(?:test|describe)\(\s*(['`"])((?:(?!\1).)*)\1/gs);
  return [...calls].map(([, , title = '']) => title.replaceAll(/\s+/g, ' '));
}

const named = documents.flatMap((name) => namedIn(name, readFileSync(join(repository, name), 'utf8')));

test('every test that a document names is there', () => {
  assert.ok(named.length > 60, `only ${named.length} found: are they still written as they were?`);
  for (const { where, path } of named) {
    if (MADE_LATER.includes(path)) continue;
    const places = [path, `${path}.ts`, `${path}.test.ts`].map((name) => join(repository, name));
    assert.ok(places.some(existsSync), where);
  }
});

test('every title that a document quotes is the title of a test in that file, or its beginning or a part', () => {
  const quoting = named.filter(({ titles }) => titles.length > 0);
  assert.ok(quoting.length > 20, `only ${quoting.length} found: are they still written as they were?`);
  for (const { where, path, titles } of quoting) {
    const there = titlesOf(readFileSync(join(repository, path), 'utf8'));
    for (const title of titles)
      assert.ok(
        there.some((one) => one.includes(title)),
        `${where}: "${title}"`,
      );
  }
});

test('a name that is wrong and a title that is not there are found', () => {
  const [found] = namedIn('x', 'shown by `test/unit/none.test.ts` "when it rains",\n"a second\none" and more');
  assert.deepEqual(found, {
    where: 'x: test/unit/none.test.ts',
    path: 'test/unit/none.test.ts',
    titles: ['when it rains', 'a second one'],
  });
  assert.deepEqual(titlesOf("test('one', () => {});\ntest(\n  `two,\n three`,\n);"), ['one', 'two, three']);
});
