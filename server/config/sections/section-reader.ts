/**
 * Reads one section's values by the schema's table: text -> typed value, or a problem. `section-keys.ts` finds the keys and
 * places the problems. Every method returns the default when the key is missing or wrong, so that one pass finds all
 * problems. Callers must not use the values when there are problems.
 */
import { type AddressKey, addressKey } from '../../../shared/address.ts';
import { type PortRanges, parsePortRanges } from '../../../shared/allowed-ports.ts';
import type { KnockError } from '../../../shared/errors.ts';
import { NAME_PATTERN, parseService, type Service } from '../../../shared/formats/profile-uri.ts';
import { parseSequencesFile } from '../../../shared/formats/sequences-file.ts';
import type { Knock } from '../../../shared/knock.ts';
import { isNflog } from '../../capture/pcap/pcap-filter.ts';
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
/** The names that useradd accepts: not a number, no leading dash. */
const USER_PATTERN = /^[A-Za-z_][A-Za-z0-9_.-]{0,31}$/;
/** Linux: IFNAMSIZ is 16 with its NUL. A tool would read a leading dash as an option. */
const INTERFACE_PATTERN = /^[A-Za-z0-9_.][A-Za-z0-9_.:@-]{0,14}$/;

type KeyOf<T extends Table, V extends ValueType> = {
  [K in keyof T]: T[K]['type'] extends V ? K : never;
}[keyof T] &
  string;

/** The type of a key's value: undefined is possible only for a key without a default. */
type Read<Spec extends KeySpec, Value> = Spec extends { default: string } ? Value : Value | undefined;

export class SectionReader<T extends Table> extends SectionKeys<T> {
  integer<K extends KeyOf<T, 'integer'>>(key: K): Read<T[K], number> {
    const { from = 0, to = Number.MAX_SAFE_INTEGER } = this.spec(key);
    const hint = `a whole number from ${from} to ${to}`;
    return this.#read(key, (text, fail) => {
      // Only decimal: Number() would accept 0x10, 1e3 and +5, and other programs read 010 as eight.
      if (!/^(0|[1-9][0-9]*)$/.test(text)) return fail(`${quote(text)} is not a whole number`, hint);
      const value = Number(text);
      if (value < from || value > to) return fail(`${quote(text)} is not from ${from} to ${to}`, hint);
      return value;
    });
  }

  choice<K extends KeyOf<T, 'choice'>>(key: K): Read<T[K], NonNullable<T[K]['choices']>[number]> {
    const choices = this.spec(key).choices ?? [];
    return this.#read(key, (text, fail) => {
      const match = choices.find((choice) => choice === text.toLowerCase());
      if (match !== undefined) return match;
      const near = nearMiss(text, choices);
      return fail(
        `${quote(text)} is not ${choices.join(' or ')}`,
        near === undefined ? undefined : `did you mean ${near}?`,
      );
    });
  }

  /** `yes`, `no`, or only the key, as knockd's UseSyslog. */
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
      (part) => (isInterface(part) ? undefined : 'is not the name of an interface'),
      interfaceHint,
    );
    if (list !== undefined && list.length > 1 && list.includes('any')) {
      this.problem(key, 'any is combined with other interfaces', 'any includes all: write it alone');
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
      // The daemon changes its directory, so a relative path would then name another file.
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

  /** Problems never quote a command: it may contain a password. */
  command<K extends KeyOf<T, 'command'>>(key: K): string | undefined {
    return this.#read<K, string>(key, (text) => text, { mayBeEmpty: true });
  }

  /** Problems never quote a sequence: it may open a door. */
  sequence<K extends KeyOf<T, 'sequence'>>(key: K): readonly Knock[] | undefined {
    return this.#read<K, readonly Knock[]>(key, (text, fail) => {
      const [line] = parseSequencesFile(new TextEncoder().encode(text));
      if (line?.kind === 'sequence') return line.knocks;
      const reason = line?.kind === 'malformed' ? line.reason : 'it is a comment';
      return fail(`this is not a sequence: ${reason}`, 'write only ports with commas, as 7000,8000:udp,9000');
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
      if ((rule.set & rule.clear) !== 0) return fail('a flag is listed with ! and without: no packet matches both');
      return rule;
    });
  }

  /** `idle 1h`, in milliseconds. */
  idle<K extends KeyOf<T, 'idle'>>(key: K): number | undefined {
    return this.#read<K, number>(key, (text, fail) => {
      const seconds = parseDuration(/^idle\s+(.*)$/i.exec(text)?.[1] ?? '');
      return seconds === undefined
        ? fail(`${quote(text)} is not idle and a time`, 'write idle 1h; the time is a number with s, m, h or d')
        : seconds * 1000;
    });
  }

  /** Only TCP: other protocols have no connections to count. */
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

  #list(
    key: string,
    flawOf: (part: string) => string | undefined,
    hint: string | ((part: string) => string),
  ): readonly string[] | undefined {
    return this.#read<string, readonly string[]>(key, (text, fail) => {
      const parts = text.split(',').map((part) => part.trim());
      for (const [index, part] of parts.entries()) {
        const flaw = flawOf(part) ?? (parts.indexOf(part) < index ? 'is listed twice' : undefined);
        if (flaw !== undefined) return fail(`${quote(part)} ${flaw}`, typeof hint === 'string' ? hint : hint(part));
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
    // Defaults are text, so that they are parsed like the file and documented as written.
    const result = value() ?? (fallback === undefined ? undefined : parse(fallback, fail));
    return result as Read<T[K], V>;
  }
}

/** No interface has a colon in its name; `nflog:5` is a group of packets. */
function isInterface(part: string): boolean {
  return INTERFACE_PATTERN.test(part) && (!part.includes(':') || isNflog(part));
}

/** `eth0:0` is the label of an address of eth0. */
function interfaceHint(part: string): string {
  const [name = '', label] = part.split(':', 2);
  return label === undefined || name === 'nflog' || !INTERFACE_PATTERN.test(name)
    ? 'write names as ip link shows them, with commas, or any'
    : `write ${name}, which has the address of that label too`;
}

/** Shortens and quotes a value for a message. parseIni has refused control characters. */
function quote(text: string): string {
  return `"${shorten(text)}"`;
}
