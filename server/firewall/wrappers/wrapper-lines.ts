/**
 * Adds and removes lines in the text of hosts.allow, and checks whether hosts.allow and hosts.deny refuse strangers, as
 * TCP Wrappers read them (hosts_access(5)). Pure, over text with one character for each byte.
 *
 * libwrap joins a line that ends with a backslash to the next line, and ignores a last line without a newline. So our
 * line goes after the last finished line. After an unfinished line it would become part of that line, and an added
 * newline would make an ignored line take effect.
 */
import { type AddressKey, formatAddress, isIpv4 } from '../../../shared/address.ts';

/** Whether the text is a daemon's name, and not a wildcard or operator of hosts_access(5). */
export function isServiceName(text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/.test(text) && !/^(ALL|EXCEPT|LOCAL|KNOWN|UNKNOWN|PARANOID)$/i.test(text);
}

/** The line that lets the source in, without newline. */
export function lineFor(service: string, source: AddressKey): string {
  const address = formatAddress(source);
  return `${service}: ${isIpv4(source) ? address : `[${address}]`}`;
}

export function countLines(content: string, line: string): number {
  return finishedLines(content).lines.filter((each) => each === `${line}\n`).length;
}

export function addLine(content: string, line: string): string {
  const { lines, rest } = finishedLines(content);
  return `${lines.join('')}${line}\n${rest}`;
}

/**
 * The text without the first such line; undefined when there is none. A second such line was added by another editor
 * later: there was none when ours was added.
 */
export function removeLine(content: string, line: string): string | undefined {
  const { lines, rest } = finishedLines(content);
  const index = lines.indexOf(`${line}\n`);
  return index === -1 ? undefined : lines.toSpliced(index, 1).join('') + rest;
}

/** Logical lines with their newlines and continuations, and the unfinished rest. */
function finishedLines(content: string): { readonly lines: readonly string[]; readonly rest: string } {
  const lines: string[] = [];
  let start = 0;
  let physical = 0;
  for (let end = content.indexOf('\n'); end !== -1; end = content.indexOf('\n', end + 1)) {
    // A NUL hides the newline from libwrap, which then joins the next line.
    const isOpen = content[end - 1] === '\\' || content.slice(physical, end).includes('\0');
    physical = end + 1;
    if (isOpen) continue;
    lines.push(content.slice(start, end + 1));
    start = end + 1;
  }
  return { lines, rest: content.slice(start) };
}

/**
 * Why this service does not refuse strangers; undefined when it does. Checks only rules for ALL: rules with names,
 * networks and operators are not judged.
 */
export function findFault(service: string, allow: string, deny: string): { what: string; hint: string } | undefined {
  const rules = (content: string) => finishedLines(content).lines.flatMap((line) => parseRule(line) ?? []);
  const covers = ({ daemons }: WrapperRule) => daemons.some((daemon) => isOneOf(daemon, 'ALL', service));
  const isForAll = ({ clients }: WrapperRule) => clients.some((client) => isOneOf(client, 'ALL'));
  const allowing = rules(allow).filter((rule) => covers(rule) && isForAll(rule));
  if (allowing.some(({ denies }) => denies)) {
    return {
      what: `hosts.allow itself refuses everyone at ${service}, before the lines that are added`,
      hint: `write "${service}: ALL" into hosts.deny instead`,
    };
  }
  if (allowing.some(({ exceptions }) => !exceptions)) {
    return { what: `everyone is allowed to ${service}`, hint: 'take that line out of hosts.allow' };
  }
  if (rules(deny).some((rule) => covers(rule) && isForAll(rule))) return undefined;
  return { what: `${service} refuses no one`, hint: `write "${service}: ALL" into hosts.deny` };
}

interface WrapperRule {
  readonly daemons: readonly string[];
  readonly clients: readonly string[];
  readonly exceptions: boolean;
  readonly denies: boolean;
}

function parseRule(line: string): WrapperRule | undefined {
  if (line.startsWith('#')) return undefined;
  const [daemons, clients, ...options] = line.replaceAll('\\\n', '').trim().split(':');
  if (daemons === undefined || clients === undefined) return undefined;
  const words = (text: string) => text.split(/[\s,]+/).filter((word) => word !== '');
  return {
    daemons: words(daemons),
    clients: words(clients),
    exceptions: /\bEXCEPT\b/i.test(`${daemons} ${clients}`),
    denies: options.some((option) => /^\s*deny\s*$/i.test(option)),
  };
}

function isOneOf(word: string, ...names: readonly string[]): boolean {
  return names.some((name) => name.toLowerCase() === word.toLowerCase());
}
