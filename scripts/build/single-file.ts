/**
 * The client as one file that runs with bare node: our modules and the packages they use, with the licences of those
 * packages at its end. CommonJS, because that is what Node starts fastest; modules that a command loads when it needs
 * them stay apart inside the file and are run only then.
 */
import { chmod, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type BuildOptions, build } from 'esbuild';

/** @param root the repository; `outFile` is made or replaced, with its folder, and may be executed */
export async function bundleClient(root: string, outFile: string): Promise<void> {
  const options: BuildOptions = {
    absWorkingDir: root,
    entryPoints: ['client/main.ts'],
    outfile: outFile,
    bundle: true,
    platform: 'node',
    target: 'node20.19',
    format: 'cjs',
    // Native, and loaded only where a profile is kept in a keyring.
    external: ['@napi-rs/keyring'],
    // Names stay: who wants to read what he runs can.
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'none',
    define: { KNOCK_OTP_VERSION: JSON.stringify((await manifestOf(root)).version) },
    // The fallback of client/version.ts, which the definition above makes unreachable.
    logOverride: { 'empty-import-meta': 'silent' },
    logLevel: 'warning',
  };
  const { metafile } = await build({ ...options, write: false, metafile: true });
  const { warnings } = await build({
    ...options,
    footer: { js: await licencesOf(root, Object.keys(metafile.inputs)) },
  });
  if (warnings.length > 0) throw new Error('the bundle has warnings');
  await chmod(outFile, 0o755);
}

/** One comment that names each package whose files are in the bundle, with its version and the text of its licence. */
async function licencesOf(root: string, inputs: readonly string[]): Promise<string> {
  const folders = new Set(inputs.map(packageFolder).filter((folder) => folder !== undefined));
  const texts: string[] = [];
  for (const folder of [...folders].sort()) {
    const path = join(root, folder);
    const { name, version, license } = await manifestOf(path);
    const file = (await readdir(path)).find((each) => /^(licen[cs]e|copying)/i.test(each));
    if (file === undefined && license === undefined) throw new Error(`no licence found of ${name}`);
    const text = file === undefined ? `(${license})` : (await readFile(join(path, file), 'utf8')).trim();
    texts.push(`${name} ${version}\n\n${text}`);
  }
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
