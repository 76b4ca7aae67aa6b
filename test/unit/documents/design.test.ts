/**
 * docs/DESIGN.md against the tree: its map has every folder, the functions on a packet's and a secret's way exist, each file
 * that it names is there, and folders and files stay as small as the page says.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('../../../', import.meta.url));
const page = readFileSync(join(repository, 'docs/DESIGN.md'), 'utf8');

const MOST_FILES = 15;
const MOST_LINES = 300;
const MOST_TERMS = 30;
const CODE = ['shared', 'server', 'client', 'scripts', 'test'];
/** Their own pages, or their owner's customs, say what is in the folders below them. */
const OWN_ORDER = ['test', 'docs', 'contrib'];
const NOT_OURS = ['node_modules', 'dist', 'coverage', '.git', 'failures'];

interface Folder {
  /** From the root of the repository. */
  readonly path: string;
  readonly files: readonly string[];
}

function foldersBelow(path: string): readonly Folder[] {
  const entries = readdirSync(path, { withFileTypes: true }).filter(({ name }) => !NOT_OURS.includes(name));
  const files = entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name);
  const below = entries.filter((entry) => entry.isDirectory()).flatMap(({ name }) => foldersBelow(join(path, name)));
  return [{ path: relative(repository, path), files }, ...below];
}

const folders = foldersBelow(repository).filter(({ path }) => path !== '' && !path.startsWith('.'));

/** The rows of the table that begins with these column heads; each cell without its white space. */
function table(...heads: readonly string[]): readonly (readonly string[])[] {
  const [, rows = ''] = page.split(`| ${heads.join(' | ')} |\n`);
  const lines = rows.split('\n').slice(1);
  const end = lines.findIndex((line) => !line.startsWith('|'));
  return lines.slice(0, end).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

const code = (cell: string | undefined): readonly string[] =>
  [...(cell ?? '').matchAll(/`([^`]+)`/g)].map(([, text = '']) => text);

describe('the map of the folders', () => {
  const rows = table('folder', 'what is in it');
  const mapped = rows.flatMap(([folder]) => code(folder));

  test('has every folder once, with a word on it', () => {
    const wanted = folders
      .filter(({ files }) => files.length > 0)
      .map(({ path }) => path)
      .filter((path) => !OWN_ORDER.some((owner) => path.startsWith(`${owner}/`)));
    assert.deepEqual([...mapped].sort(), [...new Set([...wanted, 'test'])].sort());
    for (const [folder = '', purpose = ''] of rows) assert.ok(purpose.length >= 8, folder);
  });

  test('no folder has more than 15 files of its own', () => {
    const crowded = folders.filter(({ files }) => files.length > MOST_FILES);
    assert.deepEqual(
      crowded.map(({ path, files }) => `${path}: ${files.length}`),
      [],
    );
  });

  test('no file of code has more than 300 lines', () => {
    const long = folders
      .filter(({ path }) => CODE.some((root) => path === root || path.startsWith(`${root}/`)))
      .flatMap(({ path, files }) => files.filter((name) => name.endsWith('.ts')).map((name) => join(path, name)))
      .map((path) => ({ path, lines: readFileSync(join(repository, path), 'utf8').split('\n').length - 1 }))
      .filter(({ lines }) => lines > MOST_LINES);
    assert.deepEqual(
      long.map(({ path, lines }) => `${path}: ${lines}`),
      [],
    );
  });

  test('next to no file is loose in server/ and client/', () => {
    const loose = (folder: string) => readdirSync(join(repository, folder)).filter((name) => name.endsWith('.ts'));
    assert.ok(loose('server').length <= 3, `${loose('server')}`);
    assert.ok(loose('client').length <= 4, `${loose('client')}`);
  });

  test('unit and property tests mirror the tree', () => {
    const strange = folders
      .filter(({ files }) => files.length > 0)
      .flatMap(({ path }) => /^test\/(?:unit|property)\/(.*)$/.exec(path)?.[1] ?? [])
      .filter((path) => path !== 'documents' && !existsSync(join(repository, path)));
    assert.deepEqual(strange, []);
  });
});

describe('the ways of a packet and of a secret', () => {
  const rows = table('step', 'function', 'in');

  /** The two tables have the same heads: the second one is read where the first one ends. */
  const second = page.slice(page.indexOf("## A secret's way"));
  const secretRows = second
    .split('\n')
    .filter((line) => line.startsWith('| ') && code(line).length > 0)
    .slice(0, 5)
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );

  for (const [step = '', functions, files] of [...rows, ...secretRows]) {
    test(`the functions of the step "${step}" are declared in the files that the page names`, () => {
      const names = code(functions);
      const sources = code(files).map((path) => readFileSync(join(repository, path), 'utf8'));
      assert.ok(names.length > 0 && sources.length > 0);
      for (const name of names) {
        const declared = new RegExp(`(?:function |readonly |async |^  )#?${name}\\b(?: = \\(|\\(|<)`, 'm');
        assert.ok(
          sources.some((source) => declared.test(source)),
          `${name} is not declared in ${files}`,
        );
      }
    });
  }

  test('no two steps of a packet have a function of one name', () => {
    const names = rows.flatMap(([, functions]) => code(functions));
    assert.ok(names.length >= 10);
    assert.equal(new Set(names).size, names.length);
  });
});

test('every file and folder that the page names is there', () => {
  const [, changes = ''] = page.split('## Where to change what');
  const named = [...code(changes), ...code(page)].filter((text) =>
    /^(?:shared|server|client|scripts|test|docs|man)\//.test(text),
  );
  assert.ok(named.length > 40);
  for (const path of named) assert.ok(existsSync(join(repository, path)), path);
});

test('every page that it points to is there', () => {
  const targets = [...page.matchAll(/\]\(([^)#]+)/g)].map(([, target = '']) => target);
  assert.ok(targets.length >= 8);
  for (const target of targets) assert.ok(existsSync(join(repository, 'docs', target)), target);
});

test('the glossary has each term once, and at most 30', () => {
  const terms = table('term', 'meaning').map(([term]) => term);
  assert.ok(terms.length > 20 && terms.length <= MOST_TERMS, `${terms.length}`);
  assert.equal(new Set(terms).size, terms.length);
});
