/** The rules of `.dependency-cruiser.cjs`: `npm run lint` fails on a circle and on an import against the layers, and names it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('../../../', import.meta.url));
const CONFIG = '.dependency-cruiser.cjs';

/** What the tool says of a tree with these files: its exit code and its report. */
function cruise(files: Readonly<Record<string, string>>): { readonly status: number | null; readonly report: string } {
  const folder = mkdtempSync(join(tmpdir(), 'knock-otp-imports-'));
  try {
    for (const name of [CONFIG, 'tsconfig.base.json', 'package.json'])
      copyFileSync(join(repository, name), join(folder, name));
    symlinkSync(join(repository, 'node_modules'), join(folder, 'node_modules'));
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(join(folder, dirname(path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    const tool = join(repository, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
    const argv = [tool, '--config', CONFIG, ...new Set(Object.keys(files).map((path) => path.split('/')[0] ?? ''))];
    const { status, stdout, stderr } = spawnSync(process.execPath, argv, { cwd: folder, encoding: 'utf8' });
    return { status, report: `${stdout}${stderr}` };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const CASES: readonly (readonly [what: string, files: Readonly<Record<string, string>>, named: RegExp | undefined])[] =
  [
    [
      'an import of a lower room',
      {
        'server/core/grants.ts': 'export const a = 1;\n',
        'server/store/store.ts': "export { a } from '../core/grants.ts';\n",
      },
      undefined,
    ],
    [
      'a circle of two files, by types alone',
      {
        'shared/one.ts': "import type { Two } from './two.ts';\nexport type One = Two | 1;\n",
        'shared/two.ts': "import type { One } from './one.ts';\nexport type Two = One | 2;\n",
      },
      /no import circles: shared\/(one|two)\.ts → \n?\s*shared\/(one|two)\.ts/,
    ],
    [
      'an import of a higher room',
      {
        'server/config/config.ts': 'export const a = 1;\n',
        'server/store/store.ts': "export { a } from '../config/config.ts';\n",
      },
      /server\/store imports only from rooms below it: server\/store\/store\.ts → server\/config\/config\.ts/,
    ],
    [
      'an import of the core from an edge',
      {
        'server/store/store.ts': 'export const a = 1;\n',
        'server/core/grants.ts': "export { a } from '../store/store.ts';\n",
      },
      /server\/core\/grants\.ts → server\/store\/store\.ts/,
    ],
    [
      'a file read by the core',
      { 'server/core/grants.ts': "export { readFileSync } from 'node:fs';\n" },
      /the core and shared reach no clock, file or socket: server\/core\/grants\.ts → fs/,
    ],
    [
      'a client that imports the server',
      {
        'server/core/grants.ts': 'export const a = 1;\n',
        'client/deps.ts': "export { a } from '../server/core/grants.ts';\n",
      },
      /client and server do not import each other.*client\/deps\.ts → server\/core\/grants\.ts/,
    ],
    [
      'a room that is in no list',
      {
        'server/attic/old.ts': 'export const a = 1;\n',
        'server/main.ts': "export { a } from './attic/old.ts';\n",
      },
      /a room is in the list of rooms: server\/main\.ts → server\/attic\/old\.ts/,
    ],
  ];

for (const [what, files, named] of CASES) {
  test(`the linter ${named === undefined ? 'takes' : 'refuses, by name,'} ${what}`, () => {
    const { status, report } = cruise(files);
    if (named === undefined) assert.equal(status, 0, report);
    else {
      assert.notEqual(status, 0, report);
      assert.match(report, named);
    }
  });
}
