/** The [options] section: where the daemon listens, who it is, where it keeps things. */
import type { IniSection } from '../../../shared/formats/ini-document.ts';
import { NAME_PATTERN } from '../../../shared/formats/profile-uri.ts';
import { isNflog } from '../../capture/pcap/pcap-filter.ts';
import type { ServerConfig } from '../config.ts';
import { Findings } from '../findings.ts';
import { readScans } from './read-scans.ts';
import { readViews } from './read-views.ts';
import { OPTIONS_SECTION, optionKeys } from './schema.ts';
import { SectionReader } from './section-reader.ts';

/** What the defaults come from; tests give their own. */
export interface Surroundings {
  readonly hostname: string;
  /** The interface of the default route. */
  readonly defaultInterface: string | undefined;
  /** The command line's `-i`: replaces `interface`, in the same words. */
  readonly interfaceOverride?: string;
  /** The command line's `-g` and `-p`. */
  readonly logFileOverride?: string;
  readonly pidFileOverride?: string;
}

/** The server's id where the host's name cannot be it and no door needs one. */
const UNNAMED = 'knockd';

export interface Options extends Omit<ServerConfig, 'file' | 'doors'> {
  /** Undefined where nothing listens. */
  readonly listenPorts: number | undefined;
}

/** `section` is undefined when the file has none: every option has a default. */
export function readOptions(
  section: IniSection | undefined,
  around: Surroundings,
  findings: Findings,
  needsId = true,
): Options {
  const reader = new SectionReader(optionKeys, section ?? { name: OPTIONS_SECTION, line: 1, entries: [] }, findings);
  const configured = reader.interfaces('interface');
  const capture = reader.choice('capture');
  const listens = capture === 'listen';
  const usual = listens ? 'any' : (around.defaultInterface ?? 'any');
  const interfaces = overriding(around, findings) ?? configured ?? [usual];
  let serverId = reader.name('server_id');
  if (serverId === undefined) {
    serverId = around.hostname;
    if (!needsId && !NAME_PATTERN.test(serverId)) serverId = UNNAMED;
    else if (!reader.has('server_id') && !NAME_PATTERN.test(serverId)) {
      reader.problem(
        'server_id',
        "this host's name cannot be the server's id",
        'give one, such as server_id = bastion',
      );
    }
  }
  if (capture === 'kernel' && interfaces.some(isNflog)) {
    reader.problem(
      'capture',
      'where an interface is an NFLOG group, rules of yours choose the packets',
      'capture = pcap',
    );
  }
  const listenPorts = reader.integer('listen_ports');
  if (!listens && reader.has('listen_ports')) {
    reader.warn('listen_ports', 'the key means nothing without capture = listen');
  }
  const [configuredLog, configuredPid] = [reader.path('logfile'), reader.path('pidfile')];
  const logFile = around.logFileOverride ?? configuredLog;
  const scans = readScans(reader);
  const pidFile = around.pidFileOverride ?? configuredPid;
  return {
    serverId,
    interfaces,
    ...(capture === undefined ? {} : { capture }),
    listenPorts: listens ? listenPorts : undefined,
    nflogGroup: reader.integer('nflog_group'),
    stateDir: reader.path('state_dir'),
    clientsDir: reader.path('clients_dir'),
    ...(logFile === undefined ? {} : { logFile }),
    ...(pidFile === undefined ? {} : { pidFile }),
    useSyslog: reader.switch('usesyslog'),
    throttle: { failures: reader.integer('throttle_failures'), timeMs: reader.integer('throttle_time') * 1000 },
    ...(scans === undefined ? {} : { scans }),
    logFormat: reader.choice('log_format'),
    ...readViews(reader),
  };
}

function overriding({ interfaceOverride }: Surroundings, findings: Findings): readonly string[] | undefined {
  if (interfaceOverride === undefined) return undefined;
  const own = new Findings();
  const entry = { key: 'interface', rawKey: 'interface', value: interfaceOverride, line: 0 };
  const section = { name: OPTIONS_SECTION, line: 0, entries: [entry] };
  const list = new SectionReader(optionKeys, section, own).interfaces('interface');
  // It stands on the command line: no section, no line.
  for (const { message, hint } of own.problems) {
    findings.problem({ key: '-i', message, ...(hint === undefined ? {} : { hint }) });
  }
  return list;
}
