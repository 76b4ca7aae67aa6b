/**
 * `npm run bench`: measures section by section, stores the figures in benchmarks.json, and writes the report from them. A
 * new measurement of a section replaces the old one, so a long run can be made in parts. `--report` writes the report
 * again from the stored figures, without a measurement. The bench does not touch the network of the host. A measurement
 * needs root, or a user namespace such as scripts/test makes.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError } from 'commander';
import { namespacesAvailable } from '../lab/namespaces.ts';
import { renderMarkdown } from './report/report.ts';
import { renderSvg } from './report/report-charts.ts';
import {
  type Machine,
  type Results,
  readResults,
  type SectionName,
  type Sections,
  withSection,
  writeResults,
} from './report/results.ts';
import { measureClients } from './run/client-time.ts';
import { CONTESTANTS, type ContestantName, hasProgram, knowsCapture, TITLES } from './run/contestants.ts';
import { measureFlatness, measureFloods } from './run/floods.ts';
import { measureLossy } from './run/lossy-path.ts';
import { measureOpening } from './run/opening.ts';
import { FULL, QUICK, type Sizes } from './run/plan.ts';
import { measureRest } from './run/rest.ts';
import { Rig } from './run/rig.ts';
import { measureRotation } from './run/rotation.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const SECTIONS: readonly SectionName[] = ['flood', 'opening', 'rest', 'rotation', 'client', 'lossy', 'flat'];
/** Sections that run without an option. The others take long. */
const USUAL: readonly SectionName[] = ['flood', 'opening', 'rest', 'rotation', 'client'];
/** Letters by which the sections are numbered in discussions of the bench. */
const LETTERS: Readonly<Record<string, SectionName>> = {
  a: 'flood',
  b: 'flood',
  c: 'opening',
  d: 'rest',
  e: 'rotation',
  f: 'client',
  g: 'rest',
};

interface Options {
  readonly quick?: boolean;
  readonly only?: readonly SectionName[];
  readonly flat?: boolean;
  readonly lossy?: boolean;
  readonly all?: boolean;
  readonly runs?: number;
  readonly minutes?: number;
  readonly report?: boolean;
  readonly out?: string;
}

const say = (line: string): void => {
  process.stderr.write(`bench: ${line}\n`);
};

function wanted({ only, flat, lossy, all, quick }: Options): readonly SectionName[] {
  if (only !== undefined) return only;
  if (all === true || quick === true) return SECTIONS;
  if (flat === true || lossy === true)
    return [...(flat ? ['flat' as const] : []), ...(lossy ? ['lossy' as const] : [])];
  return USUAL;
}

type Measure = { readonly [Name in SectionName]: () => Promise<Sections[Name]> };

function measures(sizes: Sizes, contestants: readonly ContestantName[]): Measure {
  const ours = contestants.filter((name) => name === 'kernel' || name === 'pcap');
  /** Runs one after the other, because two measurements at once would measure each other. */
  const each = async <Item, Result>(
    items: readonly Item[],
    run: (item: Item) => Promise<Result>,
  ): Promise<Result[]> => {
    const results: Result[] = [];
    for (const item of items) results.push(await run(item));
    return results;
  };
  return {
    flood: async () => (await each(contestants, (name) => measureFloods(name, sizes.flood, say))).flat(),
    opening: async () => await each(contestants, (name) => measureOpening(name, sizes.openings, say)),
    rest: async () => {
      const cases = sizes.rest.filter(({ contestant }) => contestants.includes(contestant));
      return await measureRest(cases, sizes.restSteps, say);
    },
    rotation: async () => await each(sizes.rotation, (clients) => measureRotation(clients, say)),
    client: async () => await measureClients(sizes.clientRuns, say),
    flat: async () => await each(ours, (name) => measureFlatness(name, sizes.flatMinutes, sizes.flatEveryS, say)),
    lossy: async () => {
      const daemons = { 'knock-otp': 'kernel', knock: 'knockd', fwknop: 'fwknopd' } as const;
      const points = sizes.lossy.filter(({ program }) => contestants.includes(daemons[program]));
      return await each(points, (point) => measureLossy(point, say));
    },
  };
}

async function presentContestants(): Promise<readonly ContestantName[]> {
  await using rig = await Rig.create();
  const hasModes = await knowsCapture(rig);
  const isPresent: Readonly<Record<ContestantName, boolean>> = {
    kernel: true,
    pcap: hasModes,
    knockd: hasProgram('knockd'),
    fwknopd: hasProgram('fwknopd') && hasProgram('fwknop'),
  };
  for (const name of CONTESTANTS)
    if (!isPresent[name]) say(`left out: ${TITLES[name]}, which is not installed or not known`);
  return CONTESTANTS.filter((name) => isPresent[name]);
}

function machine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    kernel: release(),
    node: process.version,
    date: new Date().toISOString().slice(0, 16),
    load: Number((loadavg()[0] ?? 0).toFixed(1)),
  };
}

async function bench(options: Options): Promise<void> {
  const folder = options.out ?? join(ROOT, options.quick === true ? 'dist/bench' : 'docs');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'benchmarks.json');
  if (options.report !== true) {
    const available = namespacesAvailable();
    if (!available.ok) throw new Error(available.reason);
    const sizes = options.quick === true ? QUICK : FULL(options.runs, options.minutes);
    const run = measures(sizes, await presentContestants());
    for (const name of wanted(options)) {
      say(`${name}:`);
      const at = machine();
      const section = await run[name]();
      const results = withSection(readResults(file), name, at, section as Sections[typeof name]);
      // After each section, so that an interrupted run has a report too.
      writeResults(file, results);
      report(folder, results);
    }
  }
  report(folder, readResults(file));
  say(`written: ${join(folder, 'BENCHMARKS.md')}`);
}

function report(folder: string, results: Results): void {
  writeFileSync(join(folder, 'BENCHMARKS.md'), renderMarkdown(results));
  writeFileSync(join(folder, 'benchmarks.svg'), renderSvg(results));
}

function sectionsOf(text: string): readonly SectionName[] {
  const names = text.split(',').map((word) => LETTERS[word] ?? SECTIONS.find((name) => name === word));
  const known = names.filter((name) => name !== undefined);
  if (known.length < names.length) throw new InvalidArgumentError(`sections are ${SECTIONS.join(', ')} and a to g`);
  return SECTIONS.filter((name) => known.includes(name));
}

await new Command('bench')
  .description('measures knock-otp, knockd and fwknop in network namespaces of its own; see docs/BENCHMARKS.md')
  .option('--quick', 'measures all sections with few runs, in about two minutes: shows that the bench works')
  .option(
    '--only <sections>',
    'measures only these sections: flood, opening, rest, rotation, client, lossy, flat, or a to g',
    sectionsOf,
  )
  .option('--flat', 'measures only the memory under a flood of ten minutes, for each capture mode')
  .option('--lossy', 'measures only the path that loses, reorders and repeats packets')
  .option('--all', 'measures all sections')
  .option('--runs <n>', 'number of client runs on the path that loses 10 % of packets (default: 3000)', Number)
  .option('--minutes <n>', 'length of each flood of --flat (default: 10)', Number)
  .option('--report', 'measures nothing: writes the report again from the figures in benchmarks.json')
  .option('--out <folder>', 'folder of the report and the figures (default: docs, or dist/bench with --quick)')
  .action(bench)
  .parseAsync();
