/**
 * What `capture = listen` asks of a configuration. Only ports that listen are seen then, and a scanner sees which these
 * are: so a door is worth something only while its live ports hide among decoys, and what cannot hide is refused here.
 * docs/design/listening.md says why; which decoys, is server/capture/listen's.
 */

import { MAX_KNOCKS } from '../../shared/derive.ts';
import type { Problem } from '../../shared/errors.ts';
import type { IniSection } from '../../shared/formats/ini-document.ts';
import { isGuessable, MIN_ENTROPY_BITS, type OddsInput } from '../../shared/odds.ts';
import type { ConfiguredDoor, DerivedDoor, ServerConfig } from './config.ts';
import type { Findings } from './findings.ts';
import { doorKeys, findKey, OPTIONS_SECTION, optionKeys } from './sections/schema.ts';
import { doorOdds, listeningBits, roundedClients } from './stray-budget.ts';

/** Below this a process needs a right to bind, which the one that listens gives up. */
const FIRST_FREE_PORT = 1024;

type Place = Pick<Problem, 'section' | 'key' | 'line'>;
type DoorKey = keyof typeof doorKeys;

/** Gives each door the size of its crowd, and reports what cannot be hidden in one. */
export function withListening(
  config: ServerConfig,
  listenPorts: number,
  sections: readonly IniSection[],
  findings: Findings,
): ServerConfig {
  const options = sections.find(({ name }) => name.toLowerCase() === OPTIONS_SECTION);
  if (config.interfaces.some((name) => name !== 'any')) {
    findings.problem({
      ...placeOf(options, OPTIONS_SECTION, 'interface', optionKeys),
      message: 'capture = listen hears on every address of this host',
      hint: 'interface = any, or leave it out; keep others out by the rules of your firewall',
    });
  }
  const doors = config.doors.map((door) => {
    const section = sections.find(({ name }) => name === door.name);
    const report = (key: DoorKey, message: string, hint: string): void => {
      findings.problem({ ...placeOf(section, door.name, key, doorKeys), message, hint });
    };
    if (!checkKind(door, report)) return door;
    const listening = { ...door, listenPorts };
    checkCrowd(listening, report);
    if (door.range.some(({ from }) => from < FIRST_FREE_PORT)) {
      findings.warn({
        ...placeOf(section, door.name, 'port_range', doorKeys),
        message: `ports below ${FIRST_FREE_PORT} cannot be bound where that takes a right: sequences with one do not open`,
        hint: `begin at ${FIRST_FREE_PORT}, or see net.ipv4.ip_unprivileged_port_start`,
      });
    }
    return listening;
  });
  return { ...config, doors };
}

/** What is wrong with a listening door for that many clients, which is known only when their files are read. */
export function crowdProblem(door: DerivedDoor, clients: number): Problem | undefined {
  const { listenPorts } = door;
  if (listenPorts === undefined || clients === 0 || !isGuessable(crowdOdds(door, clients))) return undefined;
  const message = `${clients === 1 ? 'its sequences' : `the sequences of ${clients} clients`} could be found among ${listenPorts} ports that listen, even with no strays forgiven`;
  return { section: door.name, key: 'knocks', message, hint: enoughKnocks(door, clients) };
}

function checkKind(
  door: ConfiguredDoor,
  report: (key: DoorKey, message: string, hint: string) => void,
): door is DerivedDoor {
  const instead = 'otp = totp hides, or another capture';
  if (door.kind === 'static') {
    report('sequence', 'ports that somebody chose do not hide among decoys, and these stay for ever', instead);
    return false;
  }
  if (door.kind === 'file') {
    report(
      'one_time_sequences',
      'a line stays live until it is used: too long to hide among ports that listen',
      instead,
    );
    return false;
  }
  const { mode, order, bindsSource, target } = door.policy;
  if (mode === 'hotp') {
    report('otp', 'a counter stays live until it is used: too long to hide among ports that listen', instead);
  }
  if (order === 'strict') {
    report('order', 'connections are not accepted in the order in which they came', 'order = any, with more knocks');
  }
  if (bindsSource === true) {
    report('bind', 'the second part of a knock depends on its sender: nothing can listen for it', 'bind = none');
  }
  if (target !== undefined) report('target', 'nothing can listen at the address of another host', 'leave it out');
  return true;
}

function checkCrowd(
  door: DerivedDoor & { readonly listenPorts: number },
  report: (key: DoorKey, message: string, hint: string) => void,
): void {
  const { listenPorts, policy } = door;
  const { ports, knocks } = policy.shape;
  if (ports.length < listenPorts) {
    const hint = 'a wider port_range, or fewer listen_ports in [options]';
    report('port_range', `there are ${ports.length} ports, fewer than the ${listenPorts} that shall listen`, hint);
    return;
  }
  // allow_low_entropy is no way out: who may be guessed here is not told from a scan.
  const bits = listeningBits(door);
  if (bits < MIN_ENTROPY_BITS) {
    const shown = (Math.floor(bits * 10) / 10).toFixed(1);
    const message = `${knocks} of ${listenPorts} ports that listen are ${shown} bits of entropy, fewer than ${MIN_ENTROPY_BITS}`;
    report('knocks', message, enoughKnocks(door, 1));
    return;
  }
  const problem = crowdProblem(door, 1);
  if (problem !== undefined) report('knocks', problem.message, problem.hint ?? '');
}

/** As the daemon will reckon. */
function crowdOdds(door: DerivedDoor, clients: number): OddsInput {
  return doorOdds(door, roundedClients(clients));
}

/** The fewest knocks that would do. */
function enoughKnocks(door: DerivedDoor, clients: number): string {
  const withKnocks = (knocks: number): DerivedDoor => ({
    ...door,
    policy: { ...door.policy, shape: { ...door.policy.shape, knocks } },
  });
  for (let knocks = door.policy.shape.knocks + 1; knocks <= MAX_KNOCKS; knocks += 1) {
    const candidate = withKnocks(knocks);
    if (listeningBits(candidate) < MIN_ENTROPY_BITS || isGuessable(crowdOdds(candidate, clients))) continue;
    return `knocks = ${knocks} or more, or more listen_ports in [options]; clients are enrolled anew then`;
  }
  return 'more listen_ports in [options]';
}

/** The line of the key where it stands there, else that of the section. */
function placeOf(
  section: IniSection | undefined,
  name: string,
  key: string,
  table: Parameters<typeof findKey>[0],
): Place {
  const entry = section?.entries.find((candidate) => findKey(table, candidate.key) === key);
  const line = entry?.line ?? section?.line;
  return { section: name, key, ...(line === undefined ? {} : { line }) };
}
