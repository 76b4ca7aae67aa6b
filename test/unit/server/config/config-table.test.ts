/**
 * Compares the table of all keys in docs/CONFIG.md with the schema and the reader: it has exactly the keys of the schema,
 * the defaults that the reader uses, and for each key the doors at which it has an effect.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { doorKeys, type KeySpec, optionKeys, type Table } from '../../../../server/config/sections/schema.ts';
import { formatProblem } from '../../../../shared/errors.ts';
import { readText } from '../../../support/core/config-text.ts';

const document = readFileSync(new URL('../../../../docs/CONFIG.md', import.meta.url), 'utf8');
const [, chapter = ''] = /\n## All keys\n(.*?)\n## /s.exec(document) ?? [];

interface Row {
  readonly key: string;
  readonly anchor: string;
  readonly default: string;
  readonly meaning: string;
}

/** Maps each heading to the rows below it. */
const groups: ReadonlyMap<string, readonly Row[]> = new Map(
  chapter
    .split('\n### ')
    .slice(1)
    .map((part) => [
      part.split('\n', 1)[0] ?? '',
      [...part.matchAll(/^\| \[`(.*?)`\]\(#(.*?)\) \| (.*?) \| (.*) \|$/gm)].map(
        ([, key = '', anchor = '', fallback = '', meaning = '']) => ({ key, anchor, default: fallback, meaning }),
      ),
    ]),
);

const OPTIONS = 'Keys of [options]';
const rowsOf = (which: (heading: string) => boolean): readonly Row[] =>
  [...groups].flatMap(([heading, rows]) => (which(heading) ? rows : []));

/** The expected row. */
function rowOf(key: string, { default: fallback, written, otherwise = '', doc }: KeySpec): Row {
  const elsewhere = written === undefined ? '' : `; \`${written}\` at a written door`;
  return {
    key,
    anchor: key,
    default: fallback === undefined ? otherwise : `\`${fallback}\`${elsewhere}`,
    meaning: `${doc.charAt(0).toUpperCase()}${doc.slice(1)}`,
  };
}

const tables: readonly { title: string; table: Table; rows: readonly Row[] }[] = [
  { title: '[options]', table: optionKeys, rows: rowsOf((heading) => heading === OPTIONS) },
  { title: 'doors', table: doorKeys, rows: rowsOf((heading) => heading !== OPTIONS) },
];

for (const { title, table, rows } of tables) {
  test(`the table of keys has every key of ${title} once, and no other`, () => {
    assert.deepEqual(rows.map(({ key }) => key).sort(), Object.keys(table).sort());
  });

  for (const [key, spec] of Object.entries(table)) {
    test(`the table of keys has the link, default and meaning of ${key}`, () => {
      assert.deepEqual(
        rows.find((row) => row.key === key),
        rowOf(key, spec),
      );
      assert.ok(document.includes(`\n### \`${key}\`\n`), 'the link leads nowhere');
    });
  }
}

/** Lines without which a key has no effect. */
const NEEDS: Readonly<Record<string, readonly string[]>> = {
  listen_ports: ['capture = listen'],
  scan_shell: ['scan_command = /bin/ban %IP%'],
  scan_threshold: ['scan_command = /bin/ban %IP%'],
  notify_events: ['notify_command = /bin/tell'],
  notify_shell: ['notify_command = /bin/tell'],
  look_ahead: ['otp = hotp'],
  stop_any: ['start_command = /bin/up', 'stop_command = /bin/down', 'stop_when = idle 1h'],
  shell: ['start_command = /bin/open %IP%'],
};
/** A value other than the default, for keys whose type does not give one. */
const OTHER: Readonly<Record<string, string>> = {
  state_dir: '/srv/state',
  clients_dir: '/srv/clients',
  notify_events: 'close',
  listen_ports: '2048',
  knocks: '8',
  port_range: '20000-29999',
  exclude_ports: '1900',
};
const OPEN = 'open = nftables tcp/22';

function otherValue(key: string, { default: fallback, choices, type, from, to }: KeySpec): string {
  const candidates = OTHER[key] ?? choices ?? (type === 'switch' ? ['yes', 'no'] : [`${from}`, `${to}`]);
  const found = [candidates].flat().find((candidate) => candidate !== fallback);
  assert.ok(found !== undefined, `give another value for ${key} to this test`);
  return found;
}

/** The configuration of a fixed file with these lines added to `[options]` or to its one door. */
function configOf(place: 'options' | 'door', lines: readonly string[], kind = 'otp = totp'): unknown {
  const door = place === 'door' ? lines : [];
  const source = door.some((line) => line.startsWith('otp =')) ? [] : [kind];
  const action = door.some((line) => line === 'start_command = /bin/open %IP%') ? [] : [OPEN];
  const options = place === 'options' ? lines : [];
  // Fewer knocks could be guessed among listening ports.
  const enough = options.includes('capture = listen') ? ['knocks = 12'] : [];
  const text = ['[options]', ...options, '[ssh]', ...source, ...action, ...enough, ...door, ''].join('\n');
  const { config, problems } = readText(text);
  assert.deepEqual(
    problems.map((problem) => formatProblem(problem)),
    [],
    text,
  );
  return config;
}

/** The text between the first backticks, and between the second ones. */
function defaultsIn(key: string): readonly string[] {
  const row = rowsOf(() => true).find((each) => each.key === key);
  return [...(row?.default ?? '').matchAll(/`([^`]+)`/g)].map(([, value = '']) => value);
}

for (const [place, table] of [
  ['options', optionKeys],
  ['door', doorKeys],
] as const) {
  for (const [key, spec] of Object.entries<KeySpec>(table)) {
    if (spec.default === undefined) continue;

    test(`the default of ${key} in the table is what the reader uses where the key is missing`, () => {
      const needs = NEEDS[key] ?? [];
      const [fallback] = defaultsIn(key);
      const without = configOf(place, needs);
      assert.deepEqual(configOf(place, [...needs, `${key} = ${fallback}`]), without);
      assert.notDeepEqual(configOf(place, [...needs, `${key} = ${otherValue(key, spec)}`]), without);
    });

    if (spec.written === undefined) continue;

    test(`the default of ${key} at a written door in the table is what the reader uses there`, () => {
      const kind = 'one_time_sequences = /etc/knock-otp/ssh.sequences';
      const [usual, written] = defaultsIn(key);
      const without = configOf('door', [], kind);
      assert.deepEqual(configOf('door', [`${key} = ${written}`], kind), without);
      assert.notDeepEqual(configOf('door', [`${key} = ${usual}`], kind), without);
    });
  }
}

/** Valid values for door keys without a default. */
const VALUES: Readonly<Record<string, string>> = { clients: 'laptop', target: '192.0.2.7', tcpflags: 'syn' };
const KINDS = {
  totp: 'otp = totp',
  hotp: 'otp = hotp',
  sequence: 'sequence = 7000,8000,9000,6500',
  file: 'one_time_sequences = /etc/knock-otp/ssh.sequences',
} as const;

/** Whether a warning says that the key has no effect at such a door. */
function isIdle(key: string, kind: keyof typeof KINDS): boolean {
  const spec = (doorKeys as Table)[key];
  const value = VALUES[key] ?? spec?.default ?? `${spec?.to}`;
  const { warnings } = readText(`[ssh]\n${KINDS[kind]}\n${OPEN}\n${key} = ${value}\n`);
  return warnings.some((warning) => warning.key === key && warning.message.startsWith('the key has no effect'));
}

test('every key in the table stands with the doors at which it has an effect', () => {
  const own = (heading: string) => rowsOf((each) => each === heading).map(({ key }) => key);
  const idle = (key: string) => (Object.keys(KINDS) as (keyof typeof KINDS)[]).filter((kind) => isIdle(key, kind));
  for (const key of own('Keys of doors with otp')) {
    const more = key === 'step' || key === 'window' ? ['hotp'] : [];
    assert.deepEqual(idle(key), [...more, 'sequence', 'file'], key);
  }
  for (const key of own('Keys of one-time doors')) {
    assert.deepEqual(idle(key), [...(key === 'look_ahead' ? ['totp'] : []), 'sequence'], key);
  }
  for (const key of own('Keys of every door').filter((each) => each !== 'open')) assert.deepEqual(idle(key), [], key);
});
