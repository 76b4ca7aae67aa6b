/**
 * Reads and writes the profile URI: an otpauth:// URI that authenticator apps accept, with further parameters that a
 * client needs to knock (SPEC section 6). Parsing is strict, because users paste URIs and a URI may come from anywhere.
 */
import { generate, parse } from '@otplib/uri';
import {
  allowedPorts,
  countAllowedPorts,
  formatPortRanges,
  type PortRanges,
  parsePortRanges,
} from '../allowed-ports.ts';
import { MAX_KNOCKS, MIN_KNOCKS, type Shape } from '../derive.ts';
import { KnockError } from '../errors.ts';
import { type Protocol, parsePort } from '../knock.ts';
import type { OtpMode } from '../moving-factor.ts';
import { Secret } from '../secret.ts';
import { isSourceWord, MAX_SOURCES, parseWhoami } from './source-words.ts';

/** Version of the added parameters and of the derivation. */
export const PROFILE_VERSION = 1;
/** Version of profiles that bind to the source: a client that knows only version 1 must refuse them. */
export const BOUND_PROFILE_VERSION = 2;

/** A port that the door opens. */
export interface Service {
  readonly protocol: Protocol;
  readonly port: number;
}

/** What a client needs for one door. Holds a secret, so never log it as a whole. */
export interface Profile {
  readonly server: string;
  readonly door: string;
  readonly client: string;
  readonly mode: OtpMode;
  readonly secret: Secret;
  /** Name or address to knock at; the user may give it later. */
  readonly host?: string;
  readonly knocks: number;
  readonly range: PortRanges;
  readonly exclude: PortRanges;
  readonly protocols: Shape['protocols'];
  readonly order: 'any' | 'strict';
  /** Seconds of a time step; TOTP. */
  readonly step: number;
  /** Steps before and after the expected one that the server accepts; TOTP. */
  readonly window: number;
  /** First counter; HOTP. */
  readonly counter: number;
  /** Seconds within which the whole sequence must arrive. */
  readonly seqTimeout: number;
  /** Services to check after the knock; empty when the door runs a command. */
  readonly services: readonly Service[];
  /** A knock has a second part, derived from the client's address as the server sees it. */
  readonly bindsSource?: boolean;
  /** The client's addresses as the server sees them, at most one of each family. */
  readonly sources?: readonly string[];
  /** `NAME@SERVER`: a query to a name server that replies with the client's address. */
  readonly whoami?: string;
  /** The door admits one connection for each knock, so checking a service uses it up. */
  readonly opensOnce?: boolean;
}

/** Names of servers, doors and clients: valid in files, nftables sets and URIs. */
export const NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

export function profileShape(profile: Pick<Profile, 'knocks' | 'range' | 'exclude' | 'protocols'>): Shape {
  return {
    knocks: profile.knocks,
    ports: allowedPorts(profile.range, profile.exclude),
    protocols: profile.protocols,
  };
}

export function formatService(service: Service): string {
  return `${service.protocol}/${service.port}`;
}

/** Reads `tcp/22`; undefined for other text. */
export function parseService(text: string): Service | undefined {
  const [protocol, digits = '', rest] = text.split('/');
  const port = parsePort(digits);
  if ((protocol !== 'tcp' && protocol !== 'udp') || port === undefined || rest !== undefined) return undefined;
  return { protocol, port };
}

export function formatProfileUri(profile: Profile): string {
  const standard = generate({
    type: profile.mode,
    label: `${profile.server}:${profile.client}@${profile.door}`,
    params: { secret: profile.secret.toBase32(), issuer: profile.server },
  });
  // Written even if they are otplib's defaults: apps have other defaults, and a counter of 0 must be there too.
  const all = new URLSearchParams(standard.slice(standard.indexOf('?') + 1));
  all.set('algorithm', 'SHA1');
  all.set('digits', '6');
  all.set('v', `${profile.bindsSource === true ? BOUND_PROFILE_VERSION : PROFILE_VERSION}`);
  all.set('door', profile.door);
  all.set('client', profile.client);
  all.set('knocks', `${profile.knocks}`);
  all.set('ports', formatPortRanges(profile.range));
  all.set('exclude', formatPortRanges(profile.exclude));
  all.set('protocols', profile.protocols);
  all.set('order', profile.order);
  all.set('timeout', `${profile.seqTimeout}`);
  if (profile.mode === 'totp') {
    all.set('period', `${profile.step}`);
    all.set('window', `${profile.window}`);
  } else all.set('counter', `${profile.counter}`);
  if (profile.services.length > 0) all.set('open', profile.services.map(formatService).join(','));
  if (profile.bindsSource === true) all.set('bind', 'source');
  if (profile.sources !== undefined) all.set('source', profile.sources.join(','));
  if (profile.whoami !== undefined) all.set('whoami', profile.whoami);
  if (profile.opensOnce === true) all.set('once', 'yes');
  if (profile.host !== undefined) all.set('host', profile.host);
  return `${standard.slice(0, standard.indexOf('?'))}?${all}`;
}

/** @throws KnockError PROFILE_INVALID that names the parameter, never its value when that is the secret */
export function parseProfileUri(uri: string): Profile {
  const text = uri.trim();
  const query = new URLSearchParams(text.slice(text.indexOf('?') + 1));
  let standard: ReturnType<typeof parse>;
  try {
    standard = parse(text);
  } catch {
    // Without the cause, because the library quotes the URI, which holds the secret.
    throw invalid('it is not an otpauth:// URI', 'copy the whole line that knock-otpd enroll printed, in quotes');
  }
  const seen = [...query.keys()];
  const repeated = seen.find((name, at) => seen.indexOf(name) !== at);
  // Quotes no name and no other part: if an `&` got lost, the secret may be anywhere.
  if (repeated !== undefined) throw invalid('a parameter is given twice');
  const version = query.get('v');
  if (version === null) throw invalid('it is an authenticator URI without knock-otp parameters');
  if (version !== `${PROFILE_VERSION}` && version !== `${BOUND_PROFILE_VERSION}`) {
    throw invalid(`its version is neither ${PROFILE_VERSION} nor ${BOUND_PROFILE_VERSION}`, 'update knock-otp');
  }
  const mode = standard.type;
  const range = ranges(query, 'ports');
  const exclude = ranges(query, 'exclude');
  const host = query.get('host') ?? '';
  const profile: Profile = {
    server: name(standard.params.issuer ?? '', 'issuer'),
    door: name(query.get('door') ?? '', 'door'),
    client: name(query.get('client') ?? '', 'client'),
    mode,
    secret: secretOf(standard.params.secret),
    ...(host === '' ? {} : { host: hostOf(host) }),
    knocks: integer(query, 'knocks', MIN_KNOCKS, MAX_KNOCKS),
    range,
    exclude,
    protocols: oneOf(query, 'protocols', ['tcp', 'udp', 'both']),
    order: oneOf(query, 'order', ['any', 'strict']),
    step: mode === 'totp' ? integer(query, 'period', 1, 3600) : 0,
    window: mode === 'totp' ? integer(query, 'window', 0, 99) : 0,
    counter: mode === 'hotp' ? integer(query, 'counter', 0, Number.MAX_SAFE_INTEGER) : 0,
    seqTimeout: integer(query, 'timeout', 1, 3600),
    services: services(query.get('open') ?? ''),
    ...binding(query, version),
    ...(query.get('once') !== null && oneOf(query, 'once', ['yes', 'no']) === 'yes' ? { opensOnce: true } : {}),
  };
  if (countAllowedPorts(range, exclude) < profile.knocks) throw invalid('fewer ports than knocks', 'parameter "ports"');
  return profile;
}

/** The parameters of a door that binds. Refused in version 1, because a client of that version ignores them. */
function binding(query: URLSearchParams, version: string): Pick<Profile, 'bindsSource' | 'sources' | 'whoami'> {
  const [sources, whoami] = [query.get('source') ?? '', query.get('whoami') ?? ''];
  if (query.get('bind') !== null && version !== `${BOUND_PROFILE_VERSION}`) {
    throw invalid(`parameter "bind" needs version ${BOUND_PROFILE_VERSION}`);
  }
  const binds = query.get('bind') !== null && oneOf(query, 'bind', ['source', 'none']) === 'source';
  const list = sources.split(',').filter((each) => each !== '');
  if (list.length > MAX_SOURCES || !list.every(isSourceWord))
    throw invalid('parameter "source" is not a list of addresses');
  if (whoami !== '' && parseWhoami(whoami) === undefined) throw invalid('parameter "whoami" is not NAME@SERVER');
  return {
    ...(binds ? { bindsSource: true } : {}),
    ...(list.length === 0 ? {} : { sources: list }),
    ...(whoami === '' ? {} : { whoami }),
  };
}

function invalid(message: string, hint?: string): KnockError {
  return new KnockError('PROFILE_INVALID', `bad profile URI: ${message}`, hint === undefined ? {} : { hint });
}

function secretOf(base32: string): Secret {
  try {
    return Secret.fromBase32(base32);
  } catch (error) {
    throw invalid((error as Error).message);
  }
}

/**
 * A host goes to a resolver, never a shell. Still accepts only characters of names and addresses, and no option (`-x`).
 */
function hostOf(text: string): string {
  if (text.length > 253 || !/^[A-Za-z0-9:_[]/.test(text) || !/^[A-Za-z0-9.:_%[\]-]+$/.test(text)) {
    throw invalid('parameter "host" is not a host name or an address');
  }
  return text;
}

function name(text: string, parameter: string): string {
  if (!NAME_PATTERN.test(text)) {
    throw invalid(`parameter "${parameter}" is missing or not a name`, 'letters, digits, dots, dashes, underscores');
  }
  return text;
}

function ranges(query: URLSearchParams, parameter: string): PortRanges {
  try {
    return parsePortRanges(query.get(parameter) ?? '');
  } catch {
    throw invalid(`parameter "${parameter}" is not a list of ports such as 1024-65535`);
  }
}

function integer(query: URLSearchParams, parameter: string, from: number, to: number): number {
  const text = query.get(parameter) ?? '';
  const value = Number(text);
  if (!/^[0-9]{1,16}$/.test(text) || value < from || value > to) {
    throw invalid(`parameter "${parameter}" is not an integer from ${from} to ${to}`);
  }
  return value;
}

function oneOf<const T extends string>(query: URLSearchParams, parameter: string, values: readonly T[]): T {
  const found = values.find((value) => value === query.get(parameter));
  if (found === undefined) throw invalid(`parameter "${parameter}" is not ${values.join(' or ')}`);
  return found;
}

function services(text: string): readonly Service[] {
  return text
    .split(',')
    .filter((part) => part !== '')
    .map((part) => {
      const service = parseService(part);
      if (service === undefined) throw invalid('parameter "open" is not a list such as tcp/22,tcp/443');
      return service;
    });
}
