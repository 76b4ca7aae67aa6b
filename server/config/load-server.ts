/** Everything the daemon starts from, read and checked at once: configuration, clients, and what follows from both. */
import { KnockError, type Problem } from '../../shared/errors.ts';
import type { Enrolment } from '../core/door.ts';
import { readEnrolments } from './client-files.ts';
import type { ServerConfig } from './config.ts';
import { Findings } from './findings.ts';
import { type ConfigOptions, draftConfig } from './read-config.ts';
import { doorBudget, type StrayBudget } from './stray-budget.ts';

export interface LoadedServer {
  readonly config: ServerConfig;
  readonly enrolments: readonly Enrolment[];
  /** By door. */
  readonly budgets: ReadonlyMap<string, StrayBudget>;
  /** What is doubtful, not refused; `formatProblem` makes lines of it. Holds the budgets' warnings too. */
  readonly warnings: readonly Problem[];
}

/**
 * Reads `file` and the clients it names.
 * @throws KnockError CONFIG_INVALID with all problems of all files, INSECURE_FILE when each is a file that others can
 *   read or change
 */
export async function loadServer(file: string, options: ConfigOptions = {}): Promise<LoadedServer> {
  const findings = new Findings();
  const draft = await draftConfig(file, options, findings);
  // Clients are read even where the configuration has problems, so that theirs are said in the same breath.
  const enrolments = draft?.optionsSound === true ? await readEnrolments(draft.config, draft.doorNames, findings) : [];
  findings.throwIfAny(file);
  if (draft === undefined) throw new KnockError('CONFIG_INVALID', `cannot read ${file}`);
  const { config } = draft;
  const budgets = new Map(
    config.doors.map((door) => [door.name, doorBudget(door, enrolmentsAt(door.name, enrolments).length)]),
  );
  const warnings = [...findings.warnings, ...[...budgets.values()].flatMap((budget) => budget.warnings)];
  return { config, enrolments, budgets, warnings };
}

export function enrolmentsAt(door: string, enrolments: readonly Enrolment[]): readonly Enrolment[] {
  return enrolments.filter((enrolment) => enrolment.door === door);
}
