/** What only a shell understands, compared with real shells: a line that is taken means the same to both. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseCommandLine } from '../../../../server/process/command-line.ts';
import { shellSyntax } from '../../../../server/process/shell-syntax.ts';
import { KnockError } from '../../../../shared/errors.ts';

const refused: readonly { readonly line: string; readonly what: RegExp; readonly instead?: RegExp }[] = [
  { line: 'open %IP% # for the office', what: /^# begins a comment/, instead: /line of its own/ },
  { line: '#open', what: /^# begins a comment/ },
  { line: '~/bin/open %IP%', what: /home directory of ~/, instead: /whole path/ },
  { line: 'open ~root/list', what: /home directory of ~/ },
  { line: 'LANG=C open %IP%', what: /^NAME=value/, instead: /^write env NAME=value/ },
  { line: 'A="b c" open', what: /^NAME=value/ },
  { line: ': nothing', what: /^: is a command of the shell/, instead: /: alone/ },
  { line: 'cd /srv', what: /^cd is a command of the shell/, instead: /whole paths/ },
  { line: '. /etc/open', what: /^\. is a command of the shell/, instead: /make it executable/ },
  { line: 'source /etc/open', what: /^source is a command/, instead: /make it executable/ },
  { line: '[ -f /run/x ]', what: /^\[ is a command of the shell/ },
  { line: 'exec open %IP%', what: /^exec is a command of the shell/, instead: /program alone/ },
  { line: 'eval open', what: /^eval is a command of the shell/ },
  { line: '"umask" 077', what: /^umask is a command of the shell/ },
  { line: '! open', what: /^! is a word of the shell's language/ },
  { line: 'if true', what: /^if is a word of the shell's language/ },
  { line: '{ open', what: /^\{ is a word of the shell's language/ },
  { line: '(open %IP%)', what: /^\( \) needs one/ },
  { line: 'open [a-c].list', what: /^\[\.\.\.\] needs one/ },
  { line: 'log "by $USER"', what: /^\$ within "\.\.\." needs one/ },
  { line: 'log "at `date`"', what: /^` within "\.\.\." needs one/ },
  { line: 'log "a \\"b\\""', what: /^\\ within "\.\.\." needs one/ },
  { line: 'a; b & c', what: /^; & needs one/ },
];

for (const { line, what, instead } of refused) {
  test(`when a command is ${JSON.stringify(line)} then it is refused, with what it is and what to write`, () => {
    const found = shellSyntax(line, line.replaceAll('"', '').split(' ')[0] ?? '');
    assert.match(found?.what ?? '', what);
    if (instead !== undefined) assert.match(found?.instead ?? '', instead);
    assert.throws(() => parseCommandLine(line), { code: 'CONFIG_INVALID' });
  });
}

for (const line of [
  'open a#b %IP%',
  "open '# no comment' \"~\" '$HOME' 'a;b'",
  'open a~b --to=~',
  'open NAME=value',
  'env LANG=C open %IP%',
  'curl http://[%IP%]/ http://[2001:db8::1]:80/',
  'test -f /run/x',
  'echo "5 $ and a\\b"',
  '/bin/cd',
]) {
  test(`when a command is ${JSON.stringify(line)} then it is taken`, () => {
    parseCommandLine(line);
  });
}

test('when a line is taken then /bin/sh splits it into the same words', () => {
  const piece = fc.constantFrom(
    ...`abI0_.,:;=+-@%^/\\'"\`$~#*?[]{}()!<>|& \té`,
    ' ',
    ' ',
    '"',
    "'",
    '%IP%',
    '$a',
    '[::]',
  );
  const lines = fc.sample(fc.array(piece, { maxLength: 12 }), { numRuns: 20_000, seed: 12 }).flatMap((pieces) => {
    const line = `x ${pieces.join('')}`;
    try {
      return [{ line, words: parseCommandLine(line).arguments }];
    } catch (error) {
      assert.ok(error instanceof KnockError);
      return [];
    }
  });
  assert.ok(lines.length > 1000, `${lines.length} lines`);
  assert.ok(lines.some(({ line }) => /[#~=[]/.test(line)));
  const script = lines.map(({ line }) => line).join('\n');
  const folder = mkdtempSync(join(tmpdir(), 'knock-otp-words-'));
  try {
    const x = `x() { for word; do printf '%s\\001' "$word"; done; printf '\\n'; }\n`;
    const found = execFileSync('/bin/sh', ['-c', `${x}${script}`], { cwd: folder, env: {}, maxBuffer: 2 ** 26 });
    assert.deepEqual(
      found
        .toString()
        .split('\n')
        .slice(0, -1)
        .map((line) => line.split('\u0001').slice(0, -1)),
      lines.map(({ words }) => words),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('when a word is a command or a keyword of bash then it is refused, or a program does the same', (t) => {
  const { stdout, status } = spawnSync('bash', ['-c', 'compgen -bk'], { encoding: 'utf8' });
  if (status !== 0) return t.skip('bash is not installed');
  const programs = new Set(['true', 'false', 'echo', 'printf', 'test', 'pwd', 'kill', 'time']);
  const words = stdout.split('\n').filter((word) => word !== '');
  assert.ok(words.length > 60);
  assert.deepEqual(
    words.filter((word) => shellSyntax(word, word) === undefined && !programs.has(word)),
    [],
  );
});
