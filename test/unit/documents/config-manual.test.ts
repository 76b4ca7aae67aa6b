/**
 * The manual page of the configuration agrees with the table of the configuration's keys. A failure says what to write
 * where.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  doorKeys,
  type KeySpec,
  optionKeys,
  type Table,
  type ValueType,
} from '../../../server/config/sections/schema.ts';
import { formatProblem } from '../../../shared/errors.ts';
import { readText } from '../../support/core/config-text.ts';
import { parts, read, section } from '../../support/documents/manual-pages.ts';

/** What a value of a type is, in the manual's words. */
const TYPES: Readonly<Record<ValueType, string>> = {
  integer: '',
  choice: '',
  switch: 'A switch.',
  name: 'A name.',
  names: 'A list of names.',
  interfaces: 'A list of interfaces.',
  path: 'A path.',
  idle: 'The word idle and a time.',
  services: 'A list of TCP ports.',
  ports: 'A list of ports and ranges.',
  open: 'A firewall and a list of ports.',
  command: 'A command.',
  sequence: 'A list of ports, each with :tcp, :udp or nothing.',
  flags: 'A list of flags.',
  user: 'A user.',
  address: 'An address.',
  metrics: 'An address with a port, or a path.',
  networks: 'A list of addresses and networks.',
};

/** The lines that the manual must have of a key. */
function factsOf({ type, default: fallback, written, otherwise, choices, from, to, aliases }: KeySpec): string {
  const elsewhere = written === undefined ? '' : `; ${written} at a written door`;
  const value = fallback === undefined ? (otherwise ?? '').replaceAll('`', '') : `${fallback}${elsewhere}`;
  return [
    `Default: ${value}.`,
    choices !== undefined
      ? `One of ${choices.join(', ')}.`
      : type === 'integer'
        ? `A whole number from ${from} to ${to}.`
        : TYPES[type],
    ...(aliases === undefined ? [] : [`Alias: ${aliases.join(', ')}.`]),
  ].join(' ');
}

const tables: readonly { title: string; table: Table }[] = [
  { title: 'OPTIONS', table: optionKeys },
  { title: 'DOORS', table: doorKeys },
];

for (const { title, table } of tables) {
  test(`the manual of the configuration has every key of ${title}, in their order, with default and range`, () => {
    const page = 'knock-otp.conf.5';
    const items = parts(section(read(page), title), '.It Cm');
    for (const [key, spec] of Object.entries(table)) {
      const text = items.get(key)?.split('\n').slice(1).join(' ') ?? '';
      const facts = factsOf(spec);
      const lines = facts.replaceAll('. ', '.\n');
      assert.ok(items.has(key), `add to "Sh ${title}" of man/${page}:\n.It Cm ${key}\n${spec.doc}.\n${lines}`);
      assert.ok(text.includes(facts), `man/${page}, ".It Cm ${key}", must say\n${lines}\nand says\n${text}`);
      const [first = ''] = spec.doc.replaceAll('`', '').split(/[;:]/);
      assert.ok(
        text.toLowerCase().startsWith(first.toLowerCase()),
        `man/${page}, ".It Cm ${key}", must begin with\n${first}\nas the table of docs/CONFIG.md does, and says\n${text}`,
      );
    }
    assert.deepEqual([...items.keys()], Object.keys(table), `man/${page}`);
  });
}

test('when an example of the configuration in the manual is read then it is sound', () => {
  const blocks = [...section(read('knock-otp.conf.5'), 'EXAMPLES').matchAll(/^\.Bd .*\n([\s\S]*?)^\.Ed$/gm)];
  assert.ok(blocks.length > 1);
  for (const [, text = ''] of blocks) {
    const { problems } = readText(text);
    assert.deepEqual(
      problems.map((problem) => formatProblem(problem)),
      [],
      text,
    );
  }
});
