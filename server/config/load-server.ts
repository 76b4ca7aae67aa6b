/** Reads and checks everything that the daemon starts from: configuration, clients, stray budgets, sequence files. */
import { KnockError, type Problem } from '../../shared/errors.ts';
import type { Enrolment } from '../core/door.ts';
import { readEnrolments } from './clients/client-files.ts';
import type { ConfiguredDoor, ServerConfig } from './config.ts';
import { Findings } from './findings.ts';
import { crowdProblem } from './listening-config.ts';
import { type ConfigOptions, draftConfig } from './read-config.ts';
import { checkPrograms } from './sections/command-programs.ts';
import { doorBudget, type StrayBudget, staticPairs, writtenBudget } from './stray-budget.ts';
import { readSequencesFile, type SequencesFile } from './written-sequences.ts';

export interface LoadedServer {
  readonly config: ServerConfig;
  readonly enrolments: readonly Enrolment[];
  /** By door; without doors whose file has no unspent line. */
  readonly budgets: ReadonlyMap<string, StrayBudget>;
  /** By door, for doors with a file of sequences. */
  readonly files: ReadonlyMap<string, SequencesFile>;
  /** All warnings, with those of the budgets. */
  readonly warnings: readonly Problem[];
  /** The warnings that the daemon logs at its start. Without those of sequence files, which it logs when it reads them. */
  readonly startWarnings: readonly Problem[];
}

/**
 * Reads `file` and the clients it names.
 * @throws KnockError CONFIG_INVALID with all problems of all files, INSECURE_FILE when each is a file that others can
 *   read or change
 */
export async function loadServer(file: string, options: ConfigOptions = {}): Promise<LoadedServer> {
  const findings = new Findings();
  const draft = await draftConfig(file, options, findings);
  await checkPrograms(findings);
  // Clients are read even if the configuration has problems, so that one run reports the problems of both.
  const enrolments = draft?.optionsSound === true ? await readEnrolments(draft.config, draft.doorNames, findings) : [];
  // Only without other problems: `listening-config.ts` has already checked each door for one client.
  if (findings.problems.length === 0)
    for (const problem of crowdProblems(draft?.config, enrolments)) findings.problem(problem);
  findings.throwIfAny(file);
  if (draft === undefined) throw new KnockError('CONFIG_INVALID', `cannot read ${file}`);
  const { config } = draft;
  const files = new Map<string, SequencesFile>();
  for (const door of config.doors) if (door.kind === 'file') files.set(door.name, await readSequencesFile(door));
  const budgets = new Map<string, StrayBudget>();
  for (const door of config.doors) {
    const budget = budgetOf(door, enrolmentsAt(door.name, enrolments).length, files.get(door.name));
    if (budget !== undefined) budgets.set(door.name, budget);
  }
  const ofDoors = [...findings.warnings, ...config.doors.filter(({ kind }) => kind === 'static').map(replayWarning)];
  const ofFiles = [...files.values()].flatMap(({ shut, warnings }) =>
    shut === undefined ? warnings : [shut, ...warnings],
  );
  const ofBudgets = [...budgets.values()].flatMap((budget) => budget.warnings);
  return {
    config,
    enrolments,
    budgets,
    files,
    warnings: [...ofDoors, ...ofFiles, ...ofBudgets],
    startWarnings: [...ofDoors, ...ofBudgets],
  };
}

function budgetOf(door: ConfiguredDoor, clients: number, file: SequencesFile | undefined): StrayBudget | undefined {
  if (door.kind === 'derived') return doorBudget(door, clients);
  const pairs = door.kind === 'static' ? staticPairs(door) : file?.weakest;
  return pairs === undefined ? undefined : writtenBudget(door, pairs);
}

function crowdProblems(config: ServerConfig | undefined, enrolments: readonly Enrolment[]): readonly Problem[] {
  return (config?.doors ?? []).flatMap((door) => {
    const clients = enrolmentsAt(door.name, enrolments).length;
    return door.kind === 'derived' ? (crowdProblem(door, clients) ?? []) : [];
  });
}

function replayWarning({ name }: ConfiguredDoor): Problem {
  return {
    section: name,
    key: 'sequence',
    message: 'anyone who sees one knock at this door can repeat it',
    hint: `replace the line with otp = totp, then knock-otpd enroll NAME --door ${name}`,
  };
}

export function enrolmentsAt(door: string, enrolments: readonly Enrolment[]): readonly Enrolment[] {
  return enrolments.filter((enrolment) => enrolment.door === door);
}
