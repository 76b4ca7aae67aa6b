/**
 * `knock-otpd init`: writes a configuration and enrolls a first client. Writes two files, starts nothing, hides
 * nothing. `first-config.ts` has the text of the configuration, `enrol-client.ts` enrolls the client.
 */
import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { KnockError } from '../../shared/errors.ts';
import { writePrivateFiles } from '../../shared/files/replace-file.ts';
import { NAME_PATTERN } from '../../shared/formats/profile-uri.ts';
import { clientPath } from '../config/clients/client-files.ts';
import { enrolClient } from '../config/clients/enrol-client.ts';
import type { ServerConfig } from '../config/config.ts';
import { readConfig } from '../config/read-config.ts';
import { defaultInterface, readRouteTables } from '../config/sections/default-interface.ts';
import { isOpenProblem, parseOpen } from '../firewall/parse-open.ts';
import { type Answers, firstConfig, type WrittenFiles } from './first-config.ts';
import type { Asker, Question } from './terminal-questions.ts';

export interface InitFlags {
  readonly interface?: string;
  readonly server?: string;
  readonly door?: string;
  readonly open?: string;
  readonly client?: string;
  readonly host?: string;
  readonly stateDir?: string;
  readonly clientsDir?: string;
}

export interface Initialized {
  readonly config: ServerConfig;
  readonly files: WrittenFiles;
  readonly door: string;
  readonly client: string;
  /** The address at which clients reach the server; empty when unknown. */
  readonly host: string;
  /** Holds the secret. */
  readonly uri: string;
}

const NAME = 'a name has letters, digits, dots, dashes and underscores, 64 at most';

/**
 * Asks for values that no flag gives, writes the configuration and enrolls the first client. An existing file is never
 * touched. If enrolling fails, the configuration is removed again.
 * @throws KnockError USAGE, CONFIG_INVALID, STORE
 */
export async function initialize(file: string, flags: InitFlags, asker: Asker): Promise<Initialized> {
  refuseToReplace(file);
  const answer = (flag: string | undefined, question: Question) => answerTo(flag, question, asker);
  const answers: Answers = {
    interface: await answer(flags.interface, {
      text: 'network interface on which knocks arrive, or any',
      usual: defaultInterface(readRouteTables()) ?? 'any',
      wrong: (text) => (/^[\w.:@-]+(, *[\w.:@-]+)*$/.test(text) ? undefined : 'interface names, separated by commas'),
    }),
    server: await answer(flags.server, {
      text: 'name of this server, part of every sequence',
      usual: hostname().replaceAll(/[^A-Za-z0-9._-]/g, '-'),
      wrong: nameProblem,
    }),
    door: await answer(flags.door, { text: 'name of the door', usual: 'ssh', wrong: nameProblem }),
    open: await answer(flags.open, {
      text: 'the firewall, and the ports to hide',
      usual: 'nftables tcp/22',
      wrong: (text) => {
        const parsed = parseOpen(text);
        return isOpenProblem(parsed) ? `${parsed.message}: ${parsed.hint}` : undefined;
      },
    }),
    ...(flags.stateDir === undefined ? {} : { stateDir: flags.stateDir }),
    ...(flags.clientsDir === undefined ? {} : { clientsDir: flags.clientsDir }),
  };
  const client = await answer(flags.client, { text: 'name of the first client', usual: 'laptop', wrong: nameProblem });
  const host = await answer(flags.host, {
    text: 'address or name by which clients reach this server, - for none',
    usual: '-',
    wrong: (text) => (/^[A-Za-z0-9._:%-]{1,253}$/.test(text) ? undefined : 'an address or a host name'),
  });
  await mkdir(dirname(file), { recursive: true });
  await writePrivateFiles([{ path: file, bytes: Buffer.from(firstConfig(answers)) }], false);
  try {
    const config = await readConfig(file);
    const named = host === '-' ? {} : { host };
    const uri = await enrolClient(config, { name: client, door: answers.door, ...named, replace: false });
    const files = { config: file, secret: clientPath(config.clientsDir, client), stateDir: config.stateDir };
    return { config, files, door: answers.door, client, host: host === '-' ? '' : host, uri };
  } catch (error) {
    await rm(file, { force: true });
    throw error;
  }
}

async function answerTo(flag: string | undefined, question: Question, asker: Asker): Promise<string> {
  if (flag === undefined) return await asker.ask(question);
  const problem = question.wrong(flag);
  if (problem !== undefined) throw new KnockError('USAGE', `${question.text}: ${problem}`);
  return flag;
}

function nameProblem(text: string): string | undefined {
  return NAME_PATTERN.test(text) ? undefined : NAME;
}

function refuseToReplace(file: string): void {
  if (!existsSync(file)) return;
  throw new KnockError('USAGE', `${file} is there already`, {
    hint: `edit it, and knock-otpd enroll NAME -c ${file}; or name another file with -c`,
  });
}
