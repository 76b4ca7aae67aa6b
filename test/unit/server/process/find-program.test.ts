/** Whether a program can run is known before it has to; each case is a real file. */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { findProgram } from '../../../../server/process/find-program.ts';

const folder = mkdtempSync(join(tmpdir(), 'knock-otp-program-'));
after(() => rmSync(folder, { recursive: true }));

function put(name: string, text: string, mode = 0o755): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

mkdirSync(join(folder, 'folder'));
symlinkSync('/nonexistent/program', join(folder, 'dangling'));

const bad: readonly { readonly why: string; readonly program: string; readonly says: RegExp; readonly hint: RegExp }[] =
  [
    {
      why: 'a path with nothing there',
      program: '/nonexistent/no-such',
      says: /does not exist/,
      hint: /correct its path/,
    },
    { why: 'a path below a file', program: '/etc/passwd/no-such', says: /does not exist/, hint: /correct its path/ },
    {
      why: 'a program at another place',
      program: '/nonexistent/env',
      says: /does not exist/,
      hint: /is at \/.*\/env$/,
    },
    {
      why: 'a name that is nowhere',
      program: 'no-such-program',
      says: /is not in \/usr\/local\/sbin:/,
      hint: /install it/,
    },
    { why: 'a link to nothing', program: join(folder, 'dangling'), says: /does not exist/, hint: /install it/ },
    { why: 'a folder', program: join(folder, 'folder'), says: /is not a file/, hint: /program itself/ },
    {
      why: 'a file without the right',
      program: put('plain', '#!/bin/sh\n', 0o644),
      says: /may not be run/,
      hint: /chmod \+x/,
    },
    { why: 'no such interpreter', program: put('perl6', '#! /opt/no/perl -w\n'), says: /interpreter/, hint: /correct/ },
    { why: 'lines of DOS', program: put('dos', '#!/bin/sh\r\necho\r\n'), says: /carriage return/, hint: /line ends/ },
  ];

for (const { why, program, says, hint } of bad) {
  test(`when a command names ${why} then it cannot run`, async () => {
    const found = await findProgram(program);
    assert.ok(!('path' in found), JSON.stringify(found));
    assert.match(found.message, says);
    assert.match(found.hint, hint);
  });
}

for (const [why, program] of [
  ['a script', put('script', '#!/bin/sh -e\n')],
  ['a script without a first line, which execvp gives to a shell', put('bare', 'echo\n')],
  ['a path from / on', `.${put('relative', '#!/bin/sh\n')}`],
  ['a name', 'env'],
] as const) {
  test(`when a command names ${why} then it can run`, async () => {
    assert.ok('path' in (await findProgram(program)));
  });
}
