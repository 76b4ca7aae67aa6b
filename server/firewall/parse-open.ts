/**
 * Parses the value of `open = ...` in the configuration: which firewall opens which ports or service. Pure.
 */
import { parseService, type Service } from '../../shared/formats/profile-uri.ts';
import { type DoorAction, SERVICE_KINDS, type ServiceKind } from './firewall.ts';
import { isServiceName } from './wrappers/wrapper-lines.ts';

export interface OpenProblem {
  readonly message: string;
  readonly hint: string;
}

const HINT = 'write nftables tcp/22, or nftables tcp/22, tcp/443; or hosts.allow sshd';

/** Parses `nftables tcp/22, tcp/443` (or another firewall), and `hosts.allow sshd [FILE]`. */
export function parseOpen(text: string): DoorAction | OpenProblem {
  const [, backend = '', rest = ''] = /^(\S*)\s*(.*)$/s.exec(text.trim()) ?? [];
  const kind = backend.toLowerCase();
  if (kind === 'hosts.allow') return parseWrapped(rest);
  if (!isServiceKind(kind)) {
    const hint = `${HINT}; also ${SERVICE_KINDS.slice(1).join(', ')}`;
    return { message: `${quote(backend)} is not a way to open`, hint };
  }
  const services: Service[] = [];
  for (const part of rest.split(',').map((piece) => piece.trim())) {
    const service = parseService(part.toLowerCase());
    if (service === undefined) return { message: `${quote(part)} is not a protocol and a port`, hint: HINT };
    if (services.some(({ protocol, port }) => protocol === service.protocol && port === service.port)) {
      return { message: `${quote(part)} is listed twice`, hint: HINT };
    }
    services.push(service);
  }
  return { kind, services };
}

export function isOpenProblem(parsed: DoorAction | OpenProblem): parsed is OpenProblem {
  return 'message' in parsed;
}

function parseWrapped(rest: string): DoorAction | OpenProblem {
  const hint = 'write hosts.allow sshd, or hosts.allow sshd /etc/hosts.allow';
  const [service = '', file, ...more] = rest.split(/\s+/);
  if (!isServiceName(service)) return { message: `${quote(service)} is not the name of a service`, hint };
  if (more.length > 0) return { message: `${quote(more[0] ?? '')} is too much`, hint };
  if (file === undefined) return { kind: 'hosts.allow', service };
  if (!file.startsWith('/')) return { message: `${quote(file)} is not an absolute path`, hint };
  return { kind: 'hosts.allow', service, file };
}

function isServiceKind(word: string): word is ServiceKind {
  return SERVICE_KINDS.some((kind) => kind === word);
}

/** In quotes, cut after 64 characters. */
function quote(text: string): string {
  return `"${text.length <= 64 ? text : `${text.slice(0, 60)}...`}"`;
}
