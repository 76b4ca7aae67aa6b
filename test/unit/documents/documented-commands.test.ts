/**
 * The commands in README and docs: the real grammar takes each, and each that stands in a block is typed by a test. Names of
 * commands and placeholders (HOST, FILE) are words like others to a grammar.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { completions as clientCompletions } from '../../../client/cli/completions.ts';
import { completions as serverCompletions } from '../../../server/program/completions.ts';
import { everyCommand, grammarOf } from '../../../shared/command-line/grammar.ts';
import { clientProgram, commandsIn, parseCommand, serverProgram } from '../../support/client/command-lines.ts';
import { DOCUMENTS, documentText, fencedBlocks, inlineCode } from '../../support/documents/documents.ts';

/** Blocks that are typed by a test without a mark above them: words that the block has, and the test. */
const TYPED: readonly (readonly [document: string, words: string, test: string])[] = [
  ['README.md', 'laptop.uri', 'e2e/documents/readme'],
  // The tests themselves are run by whoever runs this one.
  ['README.md', 'npm run demo', 'e2e/documents/documents'],
  ['docs/CLIENT.md', 'knock-otp ssh admin', 'e2e/documents/documents'],
  ['docs/CLIENT.md', 'knock-otp group add', 'e2e/documents/documents'],
  ['docs/CLIENT.md', 'completion zsh', 'e2e/documents/documents'],
  ['docs/CLIENT.md', 'knock-otp unlock', 'e2e/documents/documents'],
  ['docs/SEEING.md', 'knock-otpd explain', 'e2e/documents/documents'],
  ['docs/MIGRATING-FROM-KNOCKD.md', 'knock-otpd check', 'e2e/documents/documents'],
  ['docs/INSTALL.md', 'knock-otpd check', 'e2e/documents/readme'],
  ['docs/INSTALL.md', '--one-time FILE --verify 22', 'e2e/documents/documents'],
  ['docs/INSTALL.md', 'dpkg -i', 'contract/service/package'],
  ['docs/INSTALL.md', 'systemctl enable --now knock-otpd', 'contract/service/service-systemd'],
  ['docs/INSTALL.md', 'systemctl disable --now knock-otpd', 'contract/service/service-systemd'],
];

const SHELL = ['sh', 'console', 'bash'];

/** What sentences name: a command, or a program and one of its options. */
const names = new Set(
  [grammarOf(clientProgram(), clientCompletions), grammarOf(serverProgram(), serverCompletions)].flatMap(
    (grammar, at) =>
      everyCommand(grammar).flatMap(({ path, options }) => {
        const words = `${at === 0 ? 'knock-otp' : 'knock-otpd'} ${path}`.trim();
        return [words, ...options.flatMap((option) => option.words.map((word) => `${words} ${word}`))];
      }),
  ),
);

/** All that may type a marked block. */
const tests = ['test/e2e', 'test/contract', 'test/interop', 'test/unit', 'scripts'].flatMap((name) => {
  const folder = new URL(`../../../${name}/`, import.meta.url);
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
  return files.map((file) => readFileSync(new URL(file, folder), 'utf8'));
});

for (const document of DOCUMENTS) {
  test(`every command in ${document} is one that the grammar takes`, async () => {
    const text = documentText(document);
    const blocks = fencedBlocks(text)
      .filter(({ language }) => SHELL.includes(language))
      .flatMap((block) => block.text.split('\n').map((line) => line.replace(/^\w*[#$] /, '')));
    for (const line of [...blocks, ...inlineCode(text)]) {
      for (const command of commandsIn(line)) {
        // A name in a sentence is no command line: what it needs is left out.
        if (names.has(command.join(' '))) continue;
        await parseCommand(command.map((word) => (word === 'ADDRESS' ? '192.0.2.1' : word)));
      }
    }
  });

  test(`every block of commands in ${document} is typed by a test`, () => {
    for (const { language, text, mark } of fencedBlocks(documentText(document))) {
      if (!SHELL.includes(language)) continue;
      const isTyped =
        mark === undefined
          ? TYPED.some(([where, words]) => where === document && text.includes(words))
          : tests.some((source) => source.includes(`'${mark}'`));
      assert.ok(
        isTyped,
        `${document}: no test types this block; write one (test/e2e/documents/documents.test.ts), and name it in ` +
          `test/unit/documents/documented-commands.test.ts or mark the block with <!-- test: NAME -->:\n${text}`,
      );
    }
  });
}

test('every block that is said to be typed is there, and so is its test', () => {
  for (const [document, words, name] of TYPED) {
    assert.ok(
      fencedBlocks(documentText(document)).some(({ text }) => text.includes(words)),
      `${document}: ${words}`,
    );
    const source = readFileSync(new URL(`../../${name}.test.ts`, import.meta.url), 'utf8');
    const isThere = source.includes(document) || source.includes(words);
    assert.ok(isThere, `test/${name}.test.ts neither reads ${document} nor types "${words}"`);
  }
});
