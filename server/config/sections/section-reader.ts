/**
 * One section's values by the schema's table: text -> typed value, or a problem. Which keys stand there, and where a
 * problem is, is section-keys'. Every method answers the default where the key is missing or its value is wrong, so that
 * reading goes on and all problems are found; whoever reads must not use the result when there are problems.
 */
import { type AddressKey, addressKey } from '../../../shared/address.ts';
import { type PortRanges, parsePortRanges } from '../../../shared/allowed-ports.ts';
import type { KnockError } from '../../../shared/errors.ts';
import { NAME_PATTERN, parseService, type Service } from '../../../shared/formats/profile-uri.ts';
import { parseSequencesFile } from '../../../shared/formats/sequences-file.ts';
import type { Knock } from '../../../shared/knock.ts';
import { type TcpFlagRule, tcpFlagBits } from '../../core/door.ts';
import type { DoorAction } from '../../firewall/firewall.ts';
import { isOpenProblem, parseOpen } from '../../firewall/parse-open.ts';
import { parseDuration } from '../duration.ts';
import { METRICS_HINT, type MetricsAddress, parseMetricsAddress } from '../metrics-address.ts';
import { nearMiss } from '../near-miss.ts';
import { type Network, parseNetwork } from '../networks.ts';
import type { KeySpec, Table, ValueType } from './schema.ts';
import { SectionKeys, shorten } from './section-keys.ts';

export const NAME_HINT =
  'names have 1 to 64 letters, digits, dots, dashes and underscores, and begin with a letter or digit';
/** What useradd makes, which neither begins with a dash nor is a number. */
const USER_PATTERN = /^[A-Za-z_][A-Za-z0-9_.-]{0,31}$/;
/** Linux: IFNAMSIZ is 16 with its NUL; a leading dash would be an option to tools. */
const INTERFACE_PATTERN = /^[A-Za-z0-9_.][A-Za-z0-9_.:@-]{0,14}$/;

type KeyOf<T extends Table, V extends ValueType> = {
  [K in keyof T]: T[K]['type'] extends V ? K : never;
}[keyof T] &
  string;

/** What a key without a value reads as: its default, and undefined where it has none. */
type Read<Spec extends KeySpec, Value> = Spec extends { default: string } ? Value : Value | undefined;

export class SectionReader<T extends Table> extends SectionKeys<T> {
  integer<K extends KeyOf<T, 'integer'>>(key: K): Read<T[K], number> {
    const { from = 0, to = Number.MAX_SAFE_INTEGER } = this.spec(key);
    const hint = `a whole number from ${from} to ${to}`;
    return this.#read(key, (text, fail) => {
      // Decimal and nothing else: Number() would take 0x10, 1e3 and +5, and other programs read 010 as eight.
      if (!/^(0|[1-9][0-9]*)$/.test(text)) return fail(`${quote(text)} is not a whole number`, hint);
      const value = Number(text);
      if (value < from || value > to) return fail(`${quote(text)} is not from ${from} to ${to}`, hint);
      return value;
    });
  }

  choice<K extends KeyOf<T, 'choice'>>(key: K): Read<T[K], NonNullable<T[K]['choices']>[number]> {
    const choices = this.spec(key).choices ?? [];
    return this.#read(key, (text, fail) => {
      const found = choices.find((choice) => choice === text.toLowerCase());
      if (found !== undefined) return found;
      const near = nearMiss(text, choices);
      return fail(
        `${quote(text)} is not ${choices.join(' or ')}`,
        near === undefined ? undefined : `did you mean ${near}?`,
      );
    });
  }

  /** `yes`, `no`, or the key alone, as knockd's UseSyslog. */
  switch<K extends KeyOf<T, 'switch'>>(key: K): boolean {
    const entry = this.entry(key);
    if (entry !== undefined && entry.value === undefined) return true;
    const value = this.#read<K, boolean>(key, (text, fail) => {
      const word = text.toLowerCase();
      return word === 'yes' || word === 'no' ? word === 'yes' : fail(`${quote(text)} is not yes or no`);
    });
    return value === true;
  }

  name<K extends KeyOf<T, 'name'>>(key: K): string | undefined {
    return this.#read<K, string>(key, (text, fail) =>
      NAME_PATTERN.test(text) ? text : fail(`${quote(text)} is not a name`, NAME_HINT),
    );
  }

  names<K extends KeyOf<T, 'names'>>(key: K): readonly string[] | undefined {
    return this.#list(key, (part) => (NAME_PATTERN.test(part) ? undefined : 'is not a name'), NAME_HINT);
  }

  interfaces<K extends KeyOf<T, 'interfaces'>>(key: K): readonly string[] | undefined {
    const list = this.#list(
      key,
      (part) => (INTERFACE_PATTERN.test(part) ? undefined : 'is not the name of an interface'),
      'write names as ip link shows them, with commas, or any',
    );
    if (list !== undefined && list.length > 1 && list.includes('any')) {
      this.problem(key, 'any stands beside other interfaces', 'any hears them all: give it alone');
    }
    return list;
  }

  networks<K extends KeyOf<T, 'networks'>>(key: K): readonly Network[] | undefined {
    const flawOf = (part: string) => (parseNetwork(part) === undefined ? 'is not an address or a network' : undefined);
    const list = this.#list(key, flawOf, 'write 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32, with commas');
    return list?.flatMap((part) => parseNetwork(part) ?? []);
  }

  path<K extends KeyOf<T, 'path'>>(key: K): Read<T[K], string> {
    return this.#read(key, (text, fail) =>
      // The daemon leaves its directory: a relative path would mean another file then.
      text.startsWith('/') ? text : fail(`${quote(text)} is not an absolute path`, 'begin it with /'),
    );
  }

  ports<K extends KeyOf<T, 'ports'>>(key: K): PortRanges {
    const ranges = this.#read<K, PortRanges>(
      key,
      (text, fail) => {
        try {
          return parsePortRanges(text);
        } catch (error) {
          const { message, hint } = error as KnockError;
          return fail(message.slice(0, 160), hint);
        }
      },
      { mayBeEmpty: true },
    );
    return ranges ?? [];
  }

  /** `open = nftables tcp/22, tcp/443`. */
  open<K extends KeyOf<T, 'open'>>(key: K): DoorAction | undefined {
    return this.#read<K, DoorAction>(key, (text, fail) => {
      const parsed = parseOpen(text);
      return isOpenProblem(parsed) ? fail(parsed.message, parsed.hint) : parsed;
    });
  }

  /** A command is never quoted in a problem: it may carry a password. */
  command<K extends KeyOf<T, 'command'>>(key: K): string | undefined {
    return this.#read<K, string>(key, (text) => text, { mayBeEmpty: true });
  }

  /** A sequence is never quoted either: somebody may knock by it. */
  sequence<K extends KeyOf<T, 'sequence'>>(key: K): readonly Knock[] | undefined {
    return this.#read<K, readonly Knock[]>(key, (text, fail) => {
      const [line] = parseSequencesFile(new TextEncoder().encode(text));
      if (line?.kind === 'sequence') return line.knocks;
      const reason = line?.kind === 'malformed' ? line.reason : 'it is a comment';
      return fail(`this is no sequence: ${reason}`, 'write ports with commas, as 7000,8000:udp,9000 and nothing else');
    });
  }

  flags<K extends KeyOf<T, 'flags'>>(key: K): TcpFlagRule | undefined {
    return this.#read<K, TcpFlagRule>(key, (text, fail) => {
      const rule = { set: 0, clear: 0 };
      for (const part of text.split(',').map((piece) => piece.trim().toLowerCase())) {
        const bit = tcpFlagBits.get(part.replace(/^!/, ''));
        if (bit === undefined) {
          return fail(
            `${quote(part)} is not a TCP flag`,
            `flags are ${[...tcpFlagBits.keys()].join(', ')}, each also with !`,
          );
        }
        if (part.startsWith('!')) rule.clear |= bit;
        else rule.set |= bit;
      }
      if ((rule.set & rule.clear) !== 0) return fail('a flag stands there with ! and without: no packet has both');
      return rule;
    });
  }

  /** `idle 1h`: milliseconds. */
  idle<K extends KeyOf<T, 'idle'>>(key: K): number | undefined {
    return this.#read<K, number>(key, (text, fail) => {
      const seconds = parseDuration(/^idle\s+(.*)$/i.exec(text)?.[1] ?? '');
      return seconds === undefined
        ? fail(`${quote(text)} is not idle and a time`, 'write idle 1h; the time is a number with s, m, h or d')
        : seconds * 1000;
    });
  }

  /** TCP only: no other protocol has connections that can be counted. */
  services<K extends KeyOf<T, 'services'>>(key: K): readonly Service[] | undefined {
    const flawOf = (part: string) => (parseService(part)?.protocol === 'tcp' ? undefined : 'is not a TCP port');
    const parts = this.#list(key, flawOf, 'write tcp/22, or several with commas');
    return parts?.flatMap((part) => parseService(part) ?? []);
  }

  user<K extends KeyOf<T, 'user'>>(key: K): string | undefined {
    return this.#read<K, string>(key, (text, fail) =>
      USER_PATTERN.test(text) ? text : fail(`${quote(text)} is not the name of a user`),
    );
  }

  address<K extends KeyOf<T, 'address'>>(key: K): AddressKey | undefined {
    return this.#read<K, AddressKey>(
      key,
      (text, fail) => addressKey(text) ?? fail(`${quote(text)} is not an IP address`, 'write 192.0.2.7 or 2001:db8::7'),
    );
  }

  metrics<K extends KeyOf<T, 'metrics'>>(key: K): MetricsAddress | undefined {
    return this.#read<K, MetricsAddress>(key, (text, fail) => {
      const address = parseMetricsAddress(text);
      return typeof address === 'string' ? fail(`${quote(text)} ${address}`, METRICS_HINT) : address;
    });
  }

  #list(key: string, flawOf: (part: string) => string | undefined, hint: string): readonly string[] | undefined {
    return this.#read<string, readonly string[]>(key, (text, fail) => {
      const parts = text.split(',').map((part) => part.trim());
      for (const [index, part] of parts.entries()) {
        const flaw = flawOf(part) ?? (parts.indexOf(part) < index ? 'stands there twice' : undefined);
        if (flaw !== undefined) return fail(`${quote(part)} ${flaw}`, hint);
      }
      return parts;
    });
  }

  #read<K extends string, V>(
    key: K,
    parse: (text: string, fail: (message: string, hint?: string) => undefined) => V | undefined,
    { mayBeEmpty = false } = {},
  ): Read<T[K], V> {
    const entry = this.entry(key);
    const fail = (message: string, hint?: string): undefined => {
      this.problem(key, message, hint);
    };
    const spec = this.spec(key);
    const fallback = this.isWritten ? (spec.written ?? spec.default) : spec.default;
    const value = (): V | undefined => {
      if (entry === undefined) return undefined;
      if (entry.value === undefined) return fail('the key has no value', `write ${key} = ...`);
      if (entry.value === '' && !mayBeEmpty) return fail('the value is empty', 'leave the key out for its default');
      return parse(entry.value, fail);
    };
    // Defaults are in the language of the file, so that they go through the same reading and are documented as written.
    const result = value() ?? (fallback === undefined ? undefined : parse(fallback, fail));
    return result as Read<T[K], V>;
  }
}

/** What was found, for a message: short enough to read. Control characters never get past the document. */
function quote(text: string): string {
  return `"${shorten(text)}"`;
}
