/**
 * Checks a configuration with `capture = listen`. The daemon then sees only packets to its listening ports, and a scanner
 * can find these ports. So a door is safe only if its live ports hide among decoys; all other doors are refused here.
 * docs/design/listening.md has the reasons, server/capture/listen chooses the decoys.
 */
import { MAX_KNOCKS } from '../../shared/derive.ts';
import type { Problem } from '../../shared/errors.ts';
import type { IniSection } from '../../shared/formats/ini-document.ts';
import { isGuessable, MIN_ENTROPY_BITS, type OddsInput } from '../../shared/odds.ts';
import type { ConfiguredDoor, DerivedDoor, ServerConfig } from './config.ts';
import type { Findings } from './findings.ts';
import { doorKeys, findKey, OPTIONS_SECTION, optionKeys } from './sections/schema.ts';
import { doorOdds, listeningBits, roundedClients } from './stray-budget.ts';

/** Binding a lower port needs a privilege, which the listening process drops. */
const FIRST_FREE_PORT = 1024;

type Place = Pick<Problem, 'section' | 'key' | 'line'>;
type DoorKey = keyof typeof doorKeys;

/** Sets each door's number of listening ports, and reports doors that cannot hide among them. */
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
      message: 'capture = listen works on every address of this host',
      hint: 'interface = any, or leave it out; restrict access with your firewall',
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
        message: `the daemon may have no right to bind ports below ${FIRST_FREE_PORT}: sequences with one do not open`,
        hint: `begin at ${FIRST_FREE_PORT}, or see net.ipv4.ip_unprivileged_port_start`,
      });
    }
    return listening;
  });
  return { ...config, doors };
}

/** The problem of a listening door with too many clients. Their number is known only after their files are read. */
export function crowdProblem(door: DerivedDoor, clients: number): Problem | undefined {
  const { listenPorts } = door;
  if (listenPorts === undefined || clients === 0 || !isGuessable(crowdOdds(door, clients))) return undefined;
  const message = `${clients === 1 ? 'its sequences' : `the sequences of ${clients} clients`} can be guessed among ${listenPorts} listening ports, even with no strays forgiven`;
  return { section: door.name, key: 'knocks', message, hint: enoughKnocks(door, clients) };
}

function checkKind(
  door: ConfiguredDoor,
  report: (key: DoorKey, message: string, hint: string) => void,
): door is DerivedDoor {
  const instead = 'use otp = totp, or another capture';
  if (door.kind === 'static') {
    report('sequence', 'a fixed sequence never changes, so it cannot hide among decoys', instead);
    return false;
  }
  if (door.kind === 'file') {
    report('one_time_sequences', 'a line stays live until it is used: too long to hide among listening ports', instead);
    return false;
  }
  const { mode, order, bindsSource, target } = door.policy;
  if (mode === 'hotp') {
    report('otp', 'a counter stays live until it is used: too long to hide among listening ports', instead);
  }
  if (order === 'strict') {
    report('order', 'connections are not accepted in their order of arrival', 'order = any, with more knocks');
  }
  if (bindsSource === true) {
    report('bind', 'the second part of a knock depends on its source: no port can listen for it', 'bind = none');
  }
  if (target !== undefined) report('target', 'the daemon cannot listen on another host', 'leave it out');
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
    report('port_range', `${ports.length} ports are fewer than listen_ports = ${listenPorts}`, hint);
    return;
  }
  // allow_low_entropy does not help: a scan could open the door.
  const bits = listeningBits(door);
  if (bits < MIN_ENTROPY_BITS) {
    const rounded = (Math.floor(bits * 10) / 10).toFixed(1);
    const message = `${knocks} of ${listenPorts} listening ports are ${rounded} bits of entropy, fewer than ${MIN_ENTROPY_BITS}`;
    report('knocks', message, enoughKnocks(door, 1));
    return;
  }
  const problem = crowdProblem(door, 1);
  if (problem !== undefined) report('knocks', problem.message, problem.hint ?? '');
}

/** With the rounded number of clients, as in the daemon. */
function crowdOdds(door: DerivedDoor, clients: number): OddsInput {
  return doorOdds(door, roundedClients(clients));
}

/** A hint with the smallest sufficient number of knocks. */
function enoughKnocks(door: DerivedDoor, clients: number): string {
  const withKnocks = (knocks: number): DerivedDoor => ({
    ...door,
    policy: { ...door.policy, shape: { ...door.policy.shape, knocks } },
  });
  for (let knocks = door.policy.shape.knocks + 1; knocks <= MAX_KNOCKS; knocks += 1) {
    const candidate = withKnocks(knocks);
    if (listeningBits(candidate) < MIN_ENTROPY_BITS || isGuessable(crowdOdds(candidate, clients))) continue;
    return `knocks = ${knocks} or more, or more listen_ports in [options]; then enroll the clients again`;
  }
  return 'more listen_ports in [options]';
}

/** The line of the key, or of the section if the key is missing. */
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
