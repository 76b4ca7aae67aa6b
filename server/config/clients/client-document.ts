/**
 * What one client's secret file says: `[door]` with `secret = BASE32`, or `revoked`. Text in, text out; where the file
 * lies and who may read it is client-files' business. Nothing of the text is ever repeated in a message: a secret may
 * have been pasted in the place of a name.
 */
import type { KnockError, Problem } from '../../../shared/errors.ts';
import { formatIni, type IniSection, parseIni } from '../../../shared/formats/ini-document.ts';
import { Secret } from '../../../shared/secret.ts';
import { nearMiss } from '../near-miss.ts';

/** By door. A revoked client may stay listed in the configuration without being a client that was forgotten. */
export type ClientSecrets = ReadonlyMap<string, Secret | 'revoked'>;

/**
 * Sections of doors that are not configured: kept, since to take a door out of the configuration for a while is not to
 * take anybody's secret away. Their names may be anything that somebody pasted, so nothing shows them.
 */
export class IdleSecrets {
  readonly #sections = new Map<string, Secret | 'revoked'>();

  get size(): number {
    return this.#sections.size;
  }

  set(name: string, secret: Secret | 'revoked'): void {
    this.#sections.set(name, secret);
  }

  /** For the file alone. */
  entries(): Iterable<readonly [string, Secret | 'revoked']> {
    return this.#sections.entries();
  }
}

export interface ClientSections {
  readonly secrets: ClientSecrets;
  readonly idle: IdleSecrets;
}

const HEADER = ['knock-otp client: whoever reads this file can knock.'];

/** The file's secrets, what is wrong with it, and what is doubtful: sections of no configured door. */
export function parseClient(
  text: string,
  doorNames: readonly string[],
): ClientSections & { readonly problems: readonly Problem[]; readonly warnings: readonly Problem[] } {
  const { sections, problems: flaws } = parseIni(text);
  const problems: Problem[] = flaws.map(({ line, message, hint }) => problemAt(line, message, hint));
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

/** @throws KnockError CONFIG_INVALID when a door's name cannot stand in a file */
export function formatClient({ secrets, idle }: ClientSections): string {
  const sections = [...secrets, ...idle.entries()].map(([name, secret]) => ({
    name,
    entries: [secret === 'revoked' ? { key: 'revoked' } : { key: 'secret', value: secret.toBase32() }],
  }));
  return formatIni(sections, HEADER);
}

/** A name that no door has may be a secret in the wrong place, and is not repeated. */
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
      fail(line, 'the secret is missing', 'write secret = BASE32, or let knock-otpd enroll do it');
    } else {
      fail(line, 'this key is not known', 'a section has secret = BASE32 and nothing else');
    }
  }
  if (secret === undefined && !failed) fail(section.line, 'the secret is missing', 'let knock-otpd enroll write one');
  return failed ? undefined : secret;
}

function problemAt(line: number | undefined, message: string, hint: string | undefined): Problem {
  return { message, ...(line === undefined ? {} : { line }), ...(hint === undefined ? {} : { hint }) };
}
