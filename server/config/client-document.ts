/**
 * What one client's secret file says: `[door]` with `secret = BASE32`, or `revoked`. Text in, text out; where the file
 * lies and who may read it is client-files' business. Nothing of the text is ever repeated in a message: a secret may
 * have been pasted in the place of a name.
 */
import type { KnockError, Problem } from '../../shared/errors.ts';
import { formatIni, type IniSection, parseIni } from '../../shared/ini-document.ts';
import { Secret } from '../../shared/secret.ts';
import { nearMiss } from './near-miss.ts';

/** By door. A revoked client may stay listed in the configuration without being a client that was forgotten. */
export type ClientSecrets = ReadonlyMap<string, Secret | 'revoked'>;

const HEADER = ['knock-otp client: whoever reads this file can knock.'];

/** Secrets of the doors that the configuration has, and all problems with what the file says. */
export function parseClient(
  text: string,
  doorNames: readonly string[],
): { readonly secrets: ClientSecrets; readonly problems: readonly Problem[] } {
  const { sections, problems: flaws } = parseIni(text);
  const problems: Problem[] = flaws.map(({ line, message, hint }) => problemAt(line, message, hint));
  const secrets = new Map<string, Secret | 'revoked'>();
  for (const section of sections) {
    if (!doorNames.includes(section.name)) {
      const near = nearMiss(section.name, doorNames);
      const hint = near === undefined ? `doors are: ${doorNames.join(', ')}` : `did you mean [${near}]?`;
      problems.push(problemAt(section.line, 'a section for a door that the configuration does not have', hint));
      continue;
    }
    const secret = readSection(section, problems);
    if (secret !== undefined) secrets.set(section.name, secret);
  }
  return { secrets, problems };
}

/** @throws KnockError CONFIG_INVALID when a door's name cannot stand in a file */
export function formatClient(secrets: ClientSecrets): string {
  const sections = [...secrets].map(([name, secret]) => ({
    name,
    entries: [secret === 'revoked' ? { key: 'revoked' } : { key: 'secret', value: secret.toBase32() }],
  }));
  return formatIni(sections, HEADER);
}

function readSection(section: IniSection, problems: Problem[]): Secret | 'revoked' | undefined {
  let secret: Secret | 'revoked' | undefined;
  let failed = false;
  const fail = (line: number, message: string, hint?: string): void => {
    failed = true;
    problems.push({ ...problemAt(line, message, hint), section: section.name });
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
