import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parseClient } from '../../../../server/config/clients/client-document.ts';
import { doorKeys, type KeySpec, optionKeys, type Table } from '../../../../server/config/sections/schema.ts';
import { formatProblem } from '../../../../shared/errors.ts';
import { parseIni } from '../../../../shared/formats/ini-document.ts';
import { readText } from '../../../support/core/config-text.ts';

const document = readFileSync(new URL('../../../../docs/CONFIG.md', import.meta.url), 'utf8');

/** The text of the section with this `##` heading. */
function chapter(title: string): string {
  const [, text] = document.split(`\n## ${title}\n`);
  assert.ok(text !== undefined, `there is no chapter "${title}"`);
  return text.split('\n## ')[0] ?? '';
}

/** Maps each key to its text. */
function keysOf(title: string): Map<string, string> {
  const parts = chapter(title).split('\n### `').slice(1);
  return new Map(parts.map((part) => [part.slice(0, part.indexOf('`')), part.slice(part.indexOf('\n'))]));
}

function blocksOf(text: string): string[] {
  return [...text.matchAll(/```ini\n(.*?)```/gs)].map((match) => match[1] ?? '');
}

/** Text that the reference must contain verbatim. */
function factsOf(spec: KeySpec): string {
  const { default: fallback, written, otherwise, choices, type, from, to, aliases } = spec;
  const elsewhere = written === undefined ? '' : `; \`${written}\` at a written door`;
  return [
    fallback !== undefined
      ? `Default: \`${fallback}\`${elsewhere}.`
      : otherwise === undefined
        ? 'Required.'
        : `Default: ${otherwise}.`,
    ...(choices === undefined ? [] : [`One of ${choices.map((choice) => `\`${choice}\``).join(', ')}.`]),
    ...(type === 'integer' ? [`A whole number from ${from} to ${to}.`] : []),
    ...(aliases === undefined ? [] : [`Alias: ${aliases.map((alias) => `\`${alias}\``).join(', ')}.`]),
  ].join(' ');
}

const chapters: readonly { title: string; table: Table }[] = [
  { title: 'The section [options]', table: optionKeys },
  { title: 'A door', table: doorKeys },
];

for (const { title, table } of chapters) {
  test(`when a key is in the schema then the chapter "${title}" has it, and the reverse, in the same order`, () => {
    assert.deepEqual([...keysOf(title).keys()], Object.keys(table));
  });

  for (const [key, spec] of Object.entries(table)) {
    test(`when ${key} is looked up then its default, range and names are those of the schema`, () => {
      const text = keysOf(title).get(key) ?? '';
      assert.ok(text.includes(`\n${factsOf(spec)}`), `"${factsOf(spec)}" is not in:${text}`);
      const [first = ''] = spec.doc.split(/[;:]/);
      assert.ok(text.replaceAll('\n', ' ').toLowerCase().includes(first.toLowerCase()), `"${first}" is not in:${text}`);
    });

    test(`when the example of ${key} is read then it is sound and sets the key`, () => {
      const blocks = blocksOf(keysOf(title).get(key) ?? '');
      assert.equal(blocks.length, 1);
      const { sections } = parseIni(blocks[0] ?? '');
      const names = [key, ...(spec.aliases ?? [])];
      assert.ok(sections.some(({ entries }) => entries.some((entry) => names.includes(entry.key))));
    });
  }
}

const SOURCE = /^(otp|sequence|one_time_sequences) *=/m;
const ACTION = /^(open|start_command|start_command_6|command) *=/m;

test('when an example is read then the daemon would take it, completed to a whole file where it is a part', () => {
  const blocks = blocksOf(document).filter((block) => !block.includes('secret ='));
  assert.ok(blocks.length > 25);
  for (const block of blocks) {
    const isDoor = !block.startsWith('[options]');
    const missing = [
      ...(SOURCE.test(block) ? [] : ['otp = totp']),
      ...(ACTION.test(block) ? [] : ['open = nftables tcp/22']),
    ];
    const text = isDoor
      ? `${block}${missing.join('\n')}\n`
      : SOURCE.test(block)
        ? block
        : `${block}[ssh]\n${missing.join('\n')}`;
    const { problems } = readText(text);
    assert.deepEqual(
      problems.map((problem) => formatProblem(problem)),
      [],
      text,
    );
  }
});

test('when the example of a client file is read then it has the secret and the revocation', () => {
  const [block = ''] = blocksOf(chapter('Client files'));
  const { secrets, problems } = parseClient(block, ['ssh', 'web']);
  assert.deepEqual(problems, []);
  assert.equal(Buffer.from((secrets.get('ssh') as { bytes(): Uint8Array }).bytes()).toString(), '12345678901234567890');
  assert.equal(secrets.get('web'), 'revoked');
});
