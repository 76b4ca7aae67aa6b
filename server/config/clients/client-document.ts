/**
 * Parses and formats one client's secret file: `[door]` with `secret = BASE32` or `revoked`. `client-files.ts` reads the
 * file and checks its owner and mode. Messages never quote the text, because a secret may be pasted in place of a name.
 */
import type { KnockError, Problem } from '../../../shared/errors.ts';
import { formatIni, type IniSection, parseIni } from '../../../shared/formats/ini-document.ts';
import { Secret } from '../../../shared/secret.ts';
import { nearMiss } from '../near-miss.ts';

/** By door. `revoked` marks a client that the configuration may still list: it is no longer enrolled, on purpose. */
export type ClientSecrets = ReadonlyMap<string, Secret | 'revoked'>;

/**
 * Sections of doors that are not configured. They stay in the file, because an administrator may remove a door only for a
 * while, and its clients then keep their secrets. No message shows their names: a name may be a pasted secret.
 */
export class IdleSecrets {
  readonly #sections = new Map<string, Secret | 'revoked'>();

  get size(): number {
    return this.#sections.size;
  }

  set(name: string, secret: Secret | 'revoked'): void {
    this.#sections.set(name, secret);
  }

  /** Only for writing the file. */
  entries(): Iterable<readonly [string, Secret | 'revoked']> {
    return this.#sections.entries();
  }
}

export interface ClientSections {
  readonly secrets: ClientSecrets;
  readonly idle: IdleSecrets;
}

const HEADER = ['knock-otp client: a reader of this file can knock.'];

/** The file's secrets, its problems, and warnings about sections of doors that are not configured. */
export function parseClient(
  text: string,
  doorNames: readonly string[],
): ClientSections & { readonly problems: readonly Problem[]; readonly warnings: readonly Problem[] } {
  const { sections, problems: iniProblems } = parseIni(text);
  const problems: Problem[] = iniProblems.map(({ line, message, hint }) => problemAt(line, message, hint));
  const warnings: Problem[] = [];
  const secrets = new Map<string, Secret | 'revoked'>();
  const idle = new IdleSecrets();
  for (const section of sections) {
    const isKnown = doorNames.includes(section.name);
    if (!isKnown) {
      const near = nearMiss(section.name, doorNames);
      const hint = near === undefined ? `doors are: ${doorNames.join(', ')}` : `did you mean [${near}]?`;
      warnings.push(problemAt(section.line, 'a section for a door that the configuration does not have', hint));
    }
    const secret = readSection(section, isKnown, problems);
    if (secret !== undefined) (isKnown ? secrets : idle).set(section.name, secret);
  }
  return { secrets, idle, problems, warnings };
}

/** @throws KnockError CONFIG_INVALID when a door's name cannot be written as a section */
export function formatClient({ secrets, idle }: ClientSections): string {
  const sections = [...secrets, ...idle.entries()].map(([name, secret]) => ({
    name,
    entries: [secret === 'revoked' ? { key: 'revoked' } : { key: 'secret', value: secret.toBase32() }],
  }));
  return formatIni(sections, HEADER);
}

/** Names a section in problems only if it is a known door: another name may be a pasted secret. */
function readSection(section: IniSection, isKnown: boolean, problems: Problem[]): Secret | 'revoked' | undefined {
  let secret: Secret | 'revoked' | undefined;
  let failed = false;
  const fail = (line: number, message: string, hint?: string): void => {
    failed = true;
    problems.push({ ...problemAt(line, message, hint), ...(isKnown ? { section: section.name } : {}) });
  };
  for (const { key, value, line } of section.entries) {
    if (key === 'revoked' && value === undefined) {
      secret = 'revoked';
    } else if (key === 'secret' && value) {
      try {
        secret ??= Secret.fromBase32(value);
      } catch (error) {
        const { message, hint } = error as KnockError;
        fail(line, message, hint);
      }
    } else if (key === 'secret') {
      fail(line, 'the secret is missing', 'write secret = BASE32, or use knock-otpd enroll');
    } else {
      fail(line, 'this key is not known', 'a section has only secret = BASE32');
    }
  }
  if (secret === undefined && !failed) fail(section.line, 'the secret is missing', 'use knock-otpd enroll');
  return failed ? undefined : secret;
}

function problemAt(line: number | undefined, message: string, hint: string | undefined): Problem {
  return { message, ...(line === undefined ? {} : { line }), ...(hint === undefined ? {} : { hint }) };
}
