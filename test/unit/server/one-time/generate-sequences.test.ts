/** Making one-time sequences: unbiased, different, as strong as reported; and the files and sheets with them. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Command, CommanderError } from 'commander';
import {
  derivedSequences,
  randomBelow,
  randomSequences,
  strengthOf,
} from '../../../../server/one-time/generate-sequences.ts';
import { htmlSheet, textSheet } from '../../../../server/one-time/paper-sheet.ts';
import { addSequencesCommand } from '../../../../server/one-time/sequences-command.ts';
import { derivationKey, deriveSequence, type Shape } from '../../../../shared/derive.ts';
import { KnockError } from '../../../../shared/errors.ts';
import { OneTimeFile } from '../../../../shared/files/one-time-file.ts';
import { isUnspent, parseSequencesFile } from '../../../../shared/formats/sequences-file.ts';
import { formatKnock } from '../../../../shared/knock.ts';
import { Secret } from '../../../../shared/secret.ts';
import { scratchFolder } from '../../../support/core/sequence-files.ts';

const ports = (from: number, count: number) => Array.from({ length: count }, (_, at) => from + at);
const SHAPE: Shape = { knocks: 6, ports: ports(1024, 60_000), protocols: 'tcp' };

/** A generator that returns these 16-bit numbers and then fails. */
function giving(...values: readonly number[]) {
  const left = [...values];
  return (count: number) => {
    assert.equal(count, 2);
    const value = left.shift() ?? assert.fail('more was drawn than expected');
    return Uint8Array.of(value >> 8, value & 0xff);
  };
}

describe('random sequences', () => {
  test('when a draw lies beyond the largest multiple then it is thrown away, so that no port is likelier', () => {
    // 65536 = 6 * 10000 + 5536: draws of 60000 and above would make the first 5536 numbers more likely.
    assert.equal(randomBelow(10_000, giving(60_000, 65_535, 59_999)), 9999);
    assert.equal(randomBelow(10_000, giving(59_999)), 9999);
    assert.equal(randomBelow(10_000, giving(0)), 0);
    assert.equal(randomBelow(65_535, giving(65_535, 65_534)), 65_534);
  });

  test('when all values of a byte pair are drawn then every result comes equally often', () => {
    const counts = new Map<number, number>();
    for (let value = 0; value < 0x10000; value += 1) {
      // The second draw replaces a rejected one.
      const result = randomBelow(7, giving(value, 0));
      counts.set(result, (counts.get(result) ?? 0) + 1);
    }
    const thrown = 0x10000 % 7;
    assert.deepEqual(
      ports(0, 7).map((result) => counts.get(result)),
      ports(0, 7).map((result) => Math.floor(0x10000 / 7) + (result === 0 ? thrown : 0)),
    );
  });

  test('when many are made then all differ, ports are allowed ones and differ in each', () => {
    const sequences = randomSequences(2000, { ...SHAPE, protocols: 'both' }, (count) => randomBytes(count));
    const texts = sequences.map((sequence) => sequence.map(formatKnock).join());
    assert.equal(new Set(texts).size, 2000);
    for (const sequence of sequences) {
      assert.equal(new Set(sequence.map(({ port }) => port)).size, 6);
      assert(sequence.every(({ port }) => port >= 1024 && port < 61_024));
    }
    const udp = sequences.flat().filter(({ protocol }) => protocol === 'udp').length / 12_000;
    assert(Math.abs(udp - 0.5) < 0.05, `${udp}`);
  });

  test('when a sequence comes twice then another is drawn', () => {
    const shape: Shape = { knocks: 1, ports: ports(1000, 8), protocols: 'udp' };
    const made = randomSequences(3, shape, giving(1, 1, 9, 2, 1, 7));
    assert.deepEqual(
      made.map((sequence) => sequence.map(formatKnock).join()),
      ['1001:udp', '1002:udp', '1007:udp'],
    );
  });

  test('when there are not enough sequences, or not enough ports, then it is refused', () => {
    const shape: Shape = { knocks: 1, ports: ports(1000, 8), protocols: 'tcp' };
    const random = (count: number) => randomBytes(count);
    assert.equal(randomSequences(4, shape, random).length, 4);
    assert.throws(() => randomSequences(5, shape, random), { code: 'CONFIG_INVALID' });
    assert.throws(() => randomSequences(1, { ...shape, knocks: 9 }, random), { code: 'CONFIG_INVALID' });
    assert.throws(() => randomSequences(1, { ...SHAPE, knocks: 33 }, random), { code: 'CONFIG_INVALID' });
  });

  test('when strength is asked for then it is that of ordered, distinct ports', () => {
    assert.equal(strengthOf({ knocks: 2, ports: ports(1, 16), protocols: 'tcp' }, 1).bits, Math.log2(16 * 15));
    assert.equal(strengthOf({ knocks: 2, ports: ports(1, 16), protocols: 'both' }, 1).bits, Math.log2(16 * 15) + 2);
    assert.equal(strengthOf(SHAPE, 1).isWeak, false);
    assert.equal(strengthOf({ ...SHAPE, knocks: 3 }, 1).isWeak, true);
  });
});

describe('derived sequences', () => {
  const secret = Secret.fromBytes(new Uint8Array(20).fill(7));
  const identity = { server: 'bastion', door: 'ssh', client: 'laptop' };

  test('when they are made then they are those of the hotp counters', () => {
    const { sequences, next } = derivedSequences(5, SHAPE, derivationKey(secret), identity, 40);
    assert.equal(next, 45);
    for (const [at, sequence] of sequences.entries()) {
      const expected = deriveSequence(derivationKey(secret), { ...identity, mode: 'hotp' }, 40 + at, SHAPE);
      assert.deepEqual(sequence, expected);
    }
  });

  test('when a counter repeats an earlier sequence then it is passed over', () => {
    const shape: Shape = { knocks: 1, ports: ports(1000, 8), protocols: 'tcp' };
    const { sequences, next } = derivedSequences(4, shape, derivationKey(secret), identity, 0);
    assert.equal(new Set(sequences.map((sequence) => sequence.map(formatKnock).join())).size, 4);
    assert(next >= 4);
    const rest = derivedSequences(1, shape, derivationKey(secret), identity, next);
    assert.equal(rest.next > next, true);
  });
});

describe('a sheet', () => {
  const sequences = randomSequences(45, SHAPE, (count) => randomBytes(count));

  test('when it is plain text then every line is there in order, numbered, with a box, in 80 columns', () => {
    const text = textSheet({ host: 'bastion', door: 'ssh', sequences, linesPerPage: 40 });
    assert.equal(text.split('\f').length, 2);
    assert.match(text, /^bastion · ssh {4}page 1 of 2\n/);
    const rows = text.split('\n').filter((line) => line.startsWith('[ ]'));
    assert.deepEqual(
      rows.map((row) => row.trim().split(/\s+/).slice(2)),
      sequences.map((sequence, at) => [String(at + 1), ...sequence.map(formatKnock)]),
    );
    assert(text.split('\n').every((line) => line.length <= 80));
  });

  test('when it is HTML then nothing is loaded, names are escaped and pages are as many as needed', () => {
    const html = htmlSheet({ host: '<script>"&', door: 'ssh', sequences, linesPerPage: 40 });
    assert.doesNotMatch(html, /<script|<link|<img|src=|href=|url\(|@import|https?:/);
    assert.match(html, /<h1>&lt;script&gt;&quot;&amp; · ssh<\/h1>/);
    assert.equal(html.match(/<section>/g)?.length, 2);
    const numbers = [...html.matchAll(/class="no">(\d+)</g)].map(([, number]) => Number(number));
    assert.deepEqual(numbers, ports(1, 45));
    const knocks = [...html.matchAll(/<b>(.*?)<\/b>/g)].map(([, knock = '']) => knock.replaceAll(/<\/?i>/g, ''));
    assert.deepEqual(knocks, sequences.flat().map(formatKnock));
  });

  test('when sequences are long then they take rows of their own and a page holds fewer', () => {
    const long = randomSequences(10, { ...SHAPE, knocks: 32, protocols: 'udp' }, (count) => randomBytes(count));
    const text = textSheet({ host: '', door: '', sequences: long, linesPerPage: 40 });
    assert.equal(text.split('\f').length, 2);
    assert.match(text, /^One-time knocks/);
    assert(text.split('\n').every((line) => line.length <= 80));
  });
});

describe('the command', () => {
  const folder = scratchFolder();

  async function run(...words: readonly string[]): Promise<string[]> {
    const said: string[] = [];
    const program = addSequencesCommand(new Command('generate-sequences'), (line) => said.push(line))
      .exitOverride()
      .configureOutput({ writeErr: () => {} });
    await program.parseAsync(words, { from: 'user' });
    return said;
  }

  test('when it makes a pair then both are the same, 0600, sound, and nothing of them is said', async () => {
    const [server, client] = [join(folder, 'server'), join(folder, 'client')];
    const said = await run('-o', server, '--copy', client, '-n', '20', '--protocols', 'both', '--print', '--host', 'h');
    const text = readFileSync(server, 'utf8');
    assert.equal(readFileSync(client, 'utf8'), text);
    const lines = parseSequencesFile(Buffer.from(text));
    assert.deepEqual(
      lines.map(({ kind }) => kind),
      ['comment', 'comment', ...Array(20).fill('sequence')],
    );
    assert(
      text
        .split('\n')
        .slice(2, -1)
        .every((line) => line.startsWith(' ')),
    );
    const names = ['client', 'server', 'server.sheet.html', 'server.sheet.txt'];
    assert.deepEqual(readdirSync(folder).sort(), names);
    for (const name of names) assert.equal(statSync(join(folder, name)).mode & 0o7777, 0o600);
    for (const line of lines.filter(isUnspent)) {
      for (const { port } of line.knocks) assert(!new RegExp(`\\b${port}\\b`).test(said.slice(2).join()));
    }
    assert.match(said[0] ?? '', /^20 sequences of 6 knocks \(both\) from 64500 ports: 101\.8 bits each$/);
    assert.equal((await new OneTimeFile(server).take())?.left, 19);
  });

  test('when one of the files is there already then none is written, unless it is forced', async () => {
    const [server, client] = [join(folder, 'new-server'), join(folder, 'old-client')];
    writeFileSync(client, 'precious');
    await assert.rejects(run('-o', server, '--copy', client), {
      code: 'USAGE',
      message: /old-client exists already/,
    });
    assert(!existsSync(server));
    assert.equal(readFileSync(client, 'utf8'), 'precious');
    assert.equal(readdirSync(folder).filter((name) => name.startsWith('.')).length, 0);
    await run('-o', server, '--copy', client, '--force');
    assert.equal(readFileSync(client, 'utf8'), readFileSync(server, 'utf8'));
    assert.equal(statSync(client).mode & 0o7777, 0o600);
  });

  test('when both sides derive it from the secret then they make the same bytes', async () => {
    const secret = join(folder, 'secret');
    writeFileSync(secret, 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\n', { mode: 0o600 });
    const words = ['--from-secret', secret, '--counter', '7', '--server', 's', '--door', 'd', '--client', 'c'];
    const [here, there] = [join(folder, 'here'), join(folder, 'there')];
    const said = await run('-o', here, ...words);
    await run('-o', there, ...words);
    assert.deepEqual(readFileSync(here), readFileSync(there));
    assert.match(said.at(-1) ?? '', /--counter 107/);
    await run('-o', join(folder, 'other'), ...words.with(-1, 'c2'));
    assert.notDeepEqual(readFileSync(here), readFileSync(join(folder, 'other')));
    chmodSync(secret, 0o644);
    await assert.rejects(run('-o', join(folder, 'never'), ...words), { code: 'INSECURE_FILE' });
    writeFileSync(secret, 'GEZDGNBV0');
    chmodSync(secret, 0o600);
    await assert.rejects(run('-o', join(folder, 'never'), ...words), (error) => {
      assert(error instanceof KnockError && error.code === 'SECRET_INVALID');
      assert.doesNotMatch(`${error.message}${error.hint}${error.cause}`, /GEZD/);
      return true;
    });
    assert(!existsSync(join(folder, 'never')));
  });

  test('when the sequences would be weak then it warns, and refuses below 32 bits without the override', async () => {
    const weak = join(folder, 'weak');
    await assert.rejects(run('-o', weak, '-k', '2'), { code: 'CONFIG_INVALID', message: /31\.9 bits/ });
    assert(!existsSync(weak));
    const said = await run('-o', weak, '-k', '2', '--allow-low-entropy');
    assert(said.some((line) => line.startsWith('warning: ')));
    assert(!(await run('-o', join(folder, 'strong'))).some((line) => line.startsWith('warning: ')));
  });

  test('when words are missing or wrong then it says so and writes nothing', async () => {
    const out = join(folder, 'out');
    const cases: readonly (readonly string[])[] = [
      [],
      ['-o', out, '-n', '0'],
      ['-o', out, '-n', '1e3'],
      ['-o', out, '-k', '33'],
      ['-o', out, '--protocols', 'icmp'],
      ['-o', out, 'excess'],
    ];
    for (const words of cases) await assert.rejects(run(...words), CommanderError, words.join(' '));
    const wrong: readonly (readonly string[])[] = [
      ['-o', out, '--counter', '1'],
      ['-o', out, '--from-secret', 'x', '--counter', '1'],
      ['-o', out, '--copy', out],
      ['-o', out, '--port-range', '70000'],
    ];
    for (const words of wrong) await assert.rejects(run(...words), KnockError, words.join(' '));
    assert(!existsSync(out));
  });
});
