/**
 * Bundles each program into one file that runs with plain node: our modules, the packages that they use, and the licences
 * of those packages at its end. The format is CommonJS, because Node starts it fastest. Modules that a command loads on
 * demand stay separate inside the file and run only then. Packages with native parts stay packages.
 */
import { chmod, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type BuildOptions, build } from 'esbuild';

/** The daemon and the programs that it starts. `server/process/child-programs.ts` finds them at run time. */
const SERVER_PROGRAMS = {
  'knock-otpd': 'server/main.ts',
  'knock-otpd-capture': 'server/capture/pcap/capture-child.ts',
  'knock-otpd-listen': 'server/capture/listen/listen-child.ts',
  'knock-otpd-keeper': 'server/trial/trial-keeper.ts',
} as const;

/** @param root the repository; makes or replaces `outFile` as an executable, with its folder */
export async function bundleClient(root: string, outFile: string): Promise<void> {
  await bundle(root, 'client/main.ts', outFile, { minifyWhitespace: true });
}

/** @param root the repository; makes or replaces each program in `folder`, by its name with `.cjs` */
export async function bundleServer(root: string, folder: string): Promise<void> {
  for (const [name, entry] of Object.entries(SERVER_PROGRAMS)) {
    await bundle(root, entry, join(folder, `${name}.cjs`), {
      define: { KNOCK_OTP_SINGLE_FILE: 'true', 'import.meta.url': 'thisFile' },
      // 'use strict' has an effect only as the first statement.
      banner: { js: "'use strict';\nconst thisFile = require('node:url').pathToFileURL(__filename).href;" },
    });
  }
}

async function bundle(root: string, entry: string, outFile: string, more: BuildOptions): Promise<void> {
  const options: BuildOptions = {
    absWorkingDir: root,
    entryPoints: [entry],
    outfile: outFile,
    bundle: true,
    platform: 'node',
    target: 'node20.19',
    format: 'cjs',
    external: ['@napi-rs/keyring', 'better-sqlite3', 'cap', 'koffi'],
    // Names stay, so that users can read what they run.
    minifySyntax: true,
    legalComments: 'none',
    // The fallback of shared/files/version, which the definition makes unreachable.
    logOverride: { 'empty-import-meta': 'silent' },
    logLevel: 'warning',
    ...more,
    define: { ...more.define, KNOCK_OTP_VERSION: JSON.stringify((await manifestOf(root)).version) },
  };
  const { metafile } = await build({ ...options, write: false, metafile: true });
  const { warnings, outputFiles } = await build({
    ...options,
    write: false,
    footer: { js: await licencesOf(root, Object.keys(metafile.inputs)) },
  });
  const [output] = outputFiles;
  if (warnings.length > 0 || output === undefined) throw new Error('the bundle has warnings');
  // A program that is started during the build is the old file or the new one.
  const unnamed = `${outFile}.${process.pid}.new`;
  await mkdir(dirname(outFile), { recursive: true });
  await writeFile(unnamed, withShorterPaths(output.text));
  await chmod(unnamed, 0o755);
  await rename(unnamed, outFile);
}

/**
 * esbuild writes the path of each module in a comment above it. A module that runs only when it is needed has its path as a
 * key too, so its comment goes; the others lose the folder that all share.
 */
function withShorterPaths(text: string): string {
  return text
    .replaceAll(/^\/\/ ((?:server|shared)\/\S+)\n(?=(?:.*\n){1,12}?.*"\1"\()/gm, '')
    .replaceAll(/^\/\/ server\//gm, '// ');
}

/** One comment that names each package with files in the bundle, its version and its licence; equal texts stand once. */
async function licencesOf(root: string, inputs: readonly string[]): Promise<string> {
  const folders = new Set(inputs.map(packageFolder).filter((folder) => folder !== undefined));
  const packages = new Map<string, string[]>();
  for (const folder of [...folders].sort()) {
    const path = join(root, folder);
    const { name, version, license } = await manifestOf(path);
    const file = (await readdir(path)).find((each) => /^(licen[cs]e|copying)/i.test(each));
    if (file === undefined && license === undefined) throw new Error(`no licence found of ${name}`);
    const text = file === undefined ? `(${license})` : (await readFile(join(path, file), 'utf8')).trim();
    packages.set(text, [...(packages.get(text) ?? []), `${name} ${version}`]);
  }
  if (packages.size === 0) return '';
  const texts = [...packages].map(([text, names]) => `${names.join('\n')}\n\n${text}`);
  const all = `This file contains, besides knock-otp, the following packages.\n\n${texts.join('\n\n----\n\n')}`;
  return `/*\n${all.replaceAll('*/', '* /')}\n*/`;
}

/** The folder of the innermost package of a file, relative to the repository. */
function packageFolder(input: string): string | undefined {
  return /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input)?.[0];
}

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license?: string;
}

async function manifestOf(folder: string): Promise<Manifest> {
  return JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Manifest;
}
