/**
 * Lists the packages of node_modules that the programs load, and copies of each the files that Node loads. Leaves out
 * dependencies that only builds need, and what builds leave behind in native packages.
 */
import { cpSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';

export interface RuntimePackage {
  readonly name: string;
  readonly version: string;
  /** The licence in package.json: one SPDX identifier. */
  readonly license: string;
  /** An absolute path. */
  readonly folder: string;
  readonly copyright: string;
}

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license?: string;
  /** The form that package.json had before npm knew `license`. */
  readonly licenses?: readonly { readonly type: string }[];
  readonly author?: string | { readonly name?: string };
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** Packages that download or compile native parts. The native parts are already there. */
const BUILDING_ALONE = new Set(['prebuild-install', 'nan', 'node-addon-api', 'node-gyp-build']);

/** Files that no program loads: documents, types, maps, tests, sources. Licences go into the copyright file. */
const LEFT_OUT =
  /(^|\/)(test|tests|docs?|example|examples|benchmark|deps|vendor|obj\.target|\.deps|\.github|musl_x64|musl_arm64)(\/|$)|\.(md|markdown|d\.[cm]?ts|ts|map|gyp|gypi|mk|yml|c|cc|cpp|h|hh|hpp|inc|lzz|s|asm|sh|sql|txt|lock|cmake)$|(^|\/)(licen[cs]e|copying|makefile|changelog|history|\.[\w.-]*)$|(^|\/)(test_extension\.node|cnoke\.cjs)$/i;

/** All packages that the root package needs at run time, by name; optional packages only where they are installed. */
export function runtimePackages(root: string): readonly RuntimePackage[] {
  const found = new Map<string, RuntimePackage>();
  const visit = (manifest: Manifest): void => {
    const { dependencies = {}, optionalDependencies = {} } = manifest;
    for (const name of [...Object.keys(dependencies), ...Object.keys(optionalDependencies)]) {
      if (found.has(name) || BUILDING_ALONE.has(name)) continue;
      const folder = join(root, 'node_modules', name);
      if (!existsSync(join(folder, 'package.json'))) {
        if (name in optionalDependencies) continue;
        throw new Error(`${name} is not installed at the top of node_modules`);
      }
      const own = manifestOf(folder);
      found.set(name, {
        name,
        version: own.version,
        license: licenseOf(own),
        folder,
        copyright: copyrightOf(folder, own),
      });
      visit(own);
    }
  };
  visit(manifestOf(root));
  return [...found.values()].sort((one, other) => (one.name < other.name ? -1 : 1));
}

/** Copies the files of a package that Node loads into `modules`/NAME. */
export function copyRuntimeFiles({ name, folder }: RuntimePackage, modules: string): void {
  cpSync(folder, join(modules, name), {
    recursive: true,
    dereference: true,
    filter: (source) => {
      const path = relative(folder, source);
      if (basename(path) === 'node_modules') return false;
      return path === '' || !LEFT_OUT.test(path);
    },
  });
}

/** The text of the package's licence file. */
export function licenceText({ folder }: RuntimePackage): string | undefined {
  const file = readdirSync(folder).find((each) => /^(licen[cs]e|copying)/i.test(each));
  return file === undefined ? undefined : readFileSync(join(folder, file), 'utf8').trim();
}

export function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
}

function licenseOf({ name, licenses, license = licenses?.[0]?.type }: Manifest): string {
  if (license === undefined || !/^[\w.+-]+$/.test(license)) throw new Error(`${name} names no single licence`);
  return license;
}

function copyrightOf(folder: string, { name, author }: Manifest): string {
  const file = readdirSync(folder).find((each) => /^(licen[cs]e|copying)/i.test(each));
  const text = file === undefined ? '' : readFileSync(join(folder, file), 'utf8');
  const line = /^\s*(?:\(c\) )?copyright[^\n]*\d{4}[^\n]*$/im
    .exec(text)?.[0]
    .trim()
    .replace(/^(\(c\) )?copyright\s*(\(c\)|©)?\s*/i, '');
  return line ?? (typeof author === 'string' ? author : author?.name) ?? `the authors of ${name}`;
}
