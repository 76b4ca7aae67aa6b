/**
 * The command that makes a file of one-time sequences: `scripts/generate-sequences` and `knock-otpd sequences`. Parses
 * the options, writes the files, and reports on standard error (never a port). `generate-sequences.ts` makes the
 * sequences, `paper-sheet.ts` the sheets to print.
 */
import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import {
  allowedPorts,
  DEFAULT_EXCLUDE_PORTS,
  DEFAULT_PORT_RANGE,
  formatPortRanges,
  parsePortRanges,
} from '../../shared/allowed-ports.ts';
import { derivationKey, MAX_KNOCKS, type Shape } from '../../shared/derive.ts';
import { KnockError } from '../../shared/errors.ts';
import { openPrivateFile } from '../../shared/files/private-file.ts';
import { type NewFile, writePrivateFiles } from '../../shared/files/replace-file.ts';
import { storeError } from '../../shared/files/system-error.ts';
import { formatSequenceLine } from '../../shared/formats/sequences-file.ts';
import type { Knock } from '../../shared/knock.ts';
import { Secret } from '../../shared/secret.ts';
import { derivedSequences, LEAST_BITS, MAX_COUNT, randomSequences, strengthOf } from './generate-sequences.ts';
import { htmlSheet, textSheet } from './paper-sheet.ts';

export interface SequencesOptions {
  readonly output: string;
  readonly copy?: string;
  readonly force?: boolean;
  readonly count: number;
  readonly knocks: number;
  readonly portRange: string;
  readonly excludePorts: string;
  readonly protocols: Shape['protocols'];
  readonly allowLowEntropy?: boolean;
  readonly print?: boolean;
  readonly perPage: number;
  readonly host?: string;
  readonly door?: string;
  readonly fromSecret?: string;
  readonly counter?: number;
  readonly server?: string;
  readonly client?: string;
}

/** Base32 of 64 bytes has 103 characters; there may be blanks and a line end around it. */
const MAX_SECRET_FILE_BYTES = 1024;

/** Adds the options and the action to a command. @param say writes one line to standard error */
export function addSequencesCommand(command: Command, say: (line: string) => void): Command {
  return command
    .description('make a file of one-time sequences')
    .requiredOption('-o, --output <file>', "the server's file")
    .option('--copy <file>', 'a copy of the file for the client')
    .option('--force', 'overwrite existing files')
    .option('-n, --count <number>', 'number of sequences', wholeNumber(1, MAX_COUNT), 100)
    .option('-k, --knocks <number>', 'knocks in each sequence', wholeNumber(1, MAX_KNOCKS), 6)
    .option('--port-range <ports>', 'ports that a knock may go to', DEFAULT_PORT_RANGE)
    .option('--exclude-ports <ports>', 'ports of the range that no knock goes to', DEFAULT_EXCLUDE_PORTS)
    .addOption(
      new Option('--protocols <which>', 'TCP, UDP, or a random one for each knock').choices(PROTOCOLS).default('tcp'),
    )
    .option('--allow-low-entropy', `allow sequences of fewer than ${LEAST_BITS} bits`)
    .option('--print', 'also write sheets to print: OUTPUT.sheet.txt and OUTPUT.sheet.html')
    .option('--per-page <number>', 'lines on each printed page', wholeNumber(1, 40), 40)
    .option('--host <name>', 'the host, for the title of the sheet')
    .option('--door <name>', 'the door, for the title and for --from-secret')
    .option(
      '--from-secret <file>',
      'derive the sequences from the base32 secret in this file; both sides get the same ones',
    )
    .option('--counter <number>', 'the first counter, with --from-secret', wholeNumber(0, Number.MAX_SAFE_INTEGER))
    .option('--server <id>', "the server's id, with --from-secret")
    .option('--client <name>', "the client's name, with --from-secret")
    .action(async (options: SequencesOptions) => makeSequences(options, say));
}

const PROTOCOLS: readonly Shape['protocols'][] = ['tcp', 'udp', 'both'];

/**
 * Writes no file if any value is wrong. @throws KnockError CONFIG_INVALID, USAGE, INSECURE_FILE, SECRET_INVALID, STORE
 */
export async function makeSequences(options: SequencesOptions, say: (line: string) => void): Promise<void> {
  const { output, copy } = options;
  if (copy !== undefined && resolve(copy) === resolve(output)) {
    throw new KnockError('USAGE', '--output and --copy name the same file');
  }
  const shape = shapeOf(options);
  const { sequences, next } = await sequencesOf(options, shape);
  report(options, shape, say);
  const files = filesOf(options, sequences);
  await writePrivateFiles(files, options.force === true);
  for (const { path } of files) say(`wrote ${path}`);
  if (next !== undefined) say(`the next file begins with --counter ${next}: never use one of these again`);
}

function shapeOf({ knocks, portRange, excludePorts, protocols }: SequencesOptions): Shape {
  const ports = allowedPorts(parsePortRanges(portRange), parsePortRanges(excludePorts));
  return { knocks, ports, protocols };
}

async function sequencesOf(
  options: SequencesOptions,
  shape: Shape,
): Promise<{ readonly sequences: readonly (readonly Knock[])[]; readonly next?: number }> {
  const { count, fromSecret, counter, server, door, client } = options;
  if (fromSecret === undefined) {
    if (counter !== undefined || server !== undefined || client !== undefined) {
      throw new KnockError('USAGE', '--counter, --server and --client go with --from-secret');
    }
    return { sequences: randomSequences(count, shape, (bytes) => randomBytes(bytes)) };
  }
  if (counter === undefined || server === undefined || door === undefined || client === undefined) {
    throw new KnockError('USAGE', '--from-secret needs --counter, --server, --door and --client', {
      hint: 'use the same values on both sides: each is part of the derivation',
    });
  }
  const key = derivationKey(await readSecret(fromSecret));
  return derivedSequences(count, shape, key, { server, door, client }, counter);
}

async function readSecret(path: string): Promise<Secret> {
  const handle = await openPrivateFile(path, 'read');
  try {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(MAX_SECRET_FILE_BYTES), 0, MAX_SECRET_FILE_BYTES, 0);
    return Secret.fromBase32(buffer.toString('latin1', 0, bytesRead));
  } catch (error) {
    throw error instanceof KnockError ? error : storeError(`cannot read ${path}`, error);
  } finally {
    await handle.close();
  }
}

function report(options: SequencesOptions, shape: Shape, say: (line: string) => void): void {
  const { bits, strays, log10OpeningsPerDay, isWeak } = strengthOf(shape, 1);
  if (bits < LEAST_BITS && options.allowLowEntropy !== true) {
    throw new KnockError(
      'CONFIG_INVALID',
      `these sequences have ${formatBits(bits)} bits, but the minimum is ${LEAST_BITS}`,
      {
        hint: 'use more knocks or more ports; --allow-low-entropy allows them anyway',
      },
    );
  }
  const ports = `${shape.ports.length} ports`;
  say(
    `${options.count} sequences of ${shape.knocks} knocks (${shape.protocols}) from ${ports}: ${formatBits(bits)} bits each`,
  );
  say(
    `100,000 random packets a second open the door 10^${log10OpeningsPerDay.toFixed(1)} times a day, ` +
      `if it forgives ${strays} strays`,
  );
  if (isWeak) say('warning: such sequences can be guessed; 6 knocks from the default ports cannot');
}

/** Rounded down: a refused number of bits must not look sufficient. */
function formatBits(bits: number): string {
  return (Math.floor(bits * 10) / 10).toFixed(1);
}

function filesOf(options: SequencesOptions, sequences: readonly (readonly Knock[])[]): NewFile[] {
  const { output, copy, host = '', door = '', perPage } = options;
  const encode = (path: string, text: string): NewFile => ({ path, bytes: new TextEncoder().encode(text) });
  const document = formatFile(options, sequences);
  const files = [encode(output, document)];
  if (copy !== undefined) files.push(encode(copy, document));
  if (options.print === true) {
    const sheet = { host, door, sequences, linesPerPage: perPage };
    files.push(encode(`${output}.sheet.txt`, textSheet(sheet)), encode(`${output}.sheet.html`, htmlSheet(sheet)));
  }
  return files;
}

/** The file has no date or name, so that both sides of a derived file get the same bytes. */
function formatFile(options: SequencesOptions, sequences: readonly (readonly Knock[])[]): string {
  const { knocks, portRange, excludePorts, protocols } = options;
  const range = formatPortRanges(parsePortRanges(portRange));
  const exclude = formatPortRanges(parsePortRanges(excludePorts));
  const head = [
    '# One-time sequences: one a line, used from the top, struck with # by the program that uses it.',
    `# ${sequences.length} of ${knocks} knocks, ${protocols}, ports ${range}${exclude === '' ? '' : ` without ${exclude}`}`,
  ];
  return `${[...head, ...sequences.map(formatSequenceLine)].join('\n')}\n`;
}

function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^(0|[1-9][0-9]{0,15})$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= least && value <= most)) throw new InvalidArgumentError(`a whole number from ${least} to ${most}.`);
    return value;
  };
}
