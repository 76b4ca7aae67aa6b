/**
 * Decides which test files a change needs. A change needs the tests that import a changed file, directly or through
 * other files. Some changes need tests that import nothing of them: documents, goldens, and what all tests depend on.
 */

/** The files that tests are made of, with paths from the root of the repository. */
export interface SourceTree {
  /** Each file of the import graph, and the files that it imports. */
  readonly imports: ReadonlyMap<string, readonly string[]>;
  /** The text of each file of the import graph. */
  readonly texts: ReadonlyMap<string, string>;
}

export interface Selection {
  /** Each test file that the check runs, and why it runs. */
  readonly tests: ReadonlyMap<string, string>;
  /** Those of `tests` that start compiled programs, so they must wait for the compiler. */
  readonly compiled: ReadonlySet<string>;
  /** Test files of the slow groups that use a changed file: the check does not run them. */
  readonly slow: readonly string[];
}

const TEST = /^test\/.*\.test\.ts$/;
const QUICK_TEST = /^test\/(?:unit|property|golden)\/.*\.test\.ts$/;
/** Tests that read documents, manual pages and the titles of all tests. */
const TEXT_TEST = /^test\/(?:unit\/documents|golden)\/.*\.test\.ts$/;

/** A change in one of these may change the result of any test. */
const COMMON = /^package(?:-lock)?\.json$|(?:^|\/)tsconfig[^/]*\.json$|^test\/support\/host\//;
/** Documents, manual pages, examples for administrators, goldens. */
const TEXT = /^(?:docs|man|contrib|test\/golden)\/|^[A-Z]+\.md$/;
/** Every test that starts a compiled program finds it by this file. */
const BUILT = 'test/support/host/built.ts';
/** Where the words of `--help` are written. */
const HELP = /^(?:client\/cli|server\/program|shared\/command-line)\/|^server\/cli\.ts$/;

/** @param changed paths from the root; deleted files are allowed and select the tests that name them */
export function selectTests(changed: readonly string[], { imports, texts }: SourceTree): Selection {
  const all = [...imports.keys()].filter((file) => TEST.test(file)).sort();
  const tests = new Map<string, string>();
  const slow = new Set<string>();
  const add = (files: Iterable<string>, reason: string): void => {
    for (const file of files) {
      if (!QUICK_TEST.test(file)) slow.add(file);
      else if (!tests.has(file)) tests.set(file, reason);
    }
  };

  const common = changed.find((file) => COMMON.test(file));
  if (common !== undefined) {
    add(
      all.filter((file) => QUICK_TEST.test(file)),
      `all tests depend on ${common}`,
    );
  }
  add(
    changed.filter((file) => imports.has(file) && TEST.test(file)),
    'the test itself changed',
  );
  const importers = importersOf(imports, texts, changed);
  for (const file of changed) {
    const users = closure(file, importers);
    add(
      all.filter((test) => users.has(test)),
      `uses ${file}`,
    );
  }
  const text = changed.find((file) => TEXT.test(file) || HELP.test(file) || TEST.test(file));
  if (text !== undefined) {
    add(
      all.filter((file) => TEXT_TEST.test(file)),
      `reads documents, help or test titles; ${text} changed`,
    );
  }
  const starters = closure(BUILT, importers);
  return { tests, compiled: new Set([...tests.keys()].filter((test) => starters.has(test))), slow: [...slow].sort() };
}

/** The import graph backwards: a file, and the files that import it or name it. */
function importersOf(
  imports: ReadonlyMap<string, readonly string[]>,
  texts: ReadonlyMap<string, string>,
  changed: readonly string[],
): ReadonlyMap<string, ReadonlySet<string>> {
  const importers = new Map<string, Set<string>>();
  const link = (file: string, importer: string): void => {
    const known = importers.get(file);
    if (known === undefined) importers.set(file, new Set([importer]));
    else known.add(importer);
  };
  for (const [importer, files] of imports) for (const file of files) link(file, importer);
  // Programs that tests start and files that tests read are imported by no file: a test names them.
  const programs = [...imports.keys()].filter((file) => file.startsWith('test/support/'));
  const unimported = new Set([...programs, ...changed].filter((file) => !importers.has(file) && !TEST.test(file)));
  for (const file of unimported) {
    const name = nameOf(file);
    for (const [namer, text] of texts) {
      if (namer.startsWith('test/') && namer !== file && text.includes(name)) link(file, namer);
    }
  }
  return importers;
}

/** How sources name a file: `daemon/store-child` for a program, the last two parts of the path for other files. */
function nameOf(file: string): string {
  return file.split('/').slice(-2).join('/').replace(/\.ts$/, '');
}

/** The file and all files that reach it. */
function closure(file: string, importers: ReadonlyMap<string, ReadonlySet<string>>): ReadonlySet<string> {
  const reached = new Set([file]);
  // A set yields the members that are added while it is walked.
  for (const each of reached) for (const importer of importers.get(each) ?? []) reached.add(importer);
  return reached;
}

/** Deals the files out to at most `count` parts. Files in one part share a process, and load their sources once. */
export function partsOf(files: readonly string[], count: number): readonly (readonly string[])[] {
  const parts = Array.from({ length: count }, (_, part) => files.filter((_, at) => at % count === part));
  return parts.filter((part) => part.length > 0);
}
