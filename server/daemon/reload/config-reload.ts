/**
 * Takes a configuration that was read again while the daemon runs: whole, or not at all. The order is the whole point:
 * the firewall first, because it alone can refuse; then, in one go in which no packet comes, doors, sequences and clients;
 * last, what removed doors or other actions of doors had opened is closed by the action that opened it. What it changes
 * is server/daemon/reload/config-change's, when it is asked for is server/program/reload-requests'.
 */
import { isDeepStrictEqual } from 'node:util';
import { KnockError } from '../../../shared/errors.ts';
import { pairOf } from '../../../shared/knock.ts';
import type { Clock } from '../../clock/clock.ts';
import type { ServerConfig, StaticDoor } from '../../config/config.ts';
import type { LoadedServer } from '../../config/load-server.ts';
import type { ListedLine } from '../../core/door.ts';
import type { Engine } from '../../core/engine.ts';
import type { ActionDoor, Firewall } from '../../firewall/firewall.ts';
import { formatProblemOf } from '../../log/error-text.ts';
import type { Log } from '../../log/log.ts';
import type { SharedLock } from '../../queues/shared-lock.ts';
import type { Store } from '../../store/store.ts';
import type { Admissions } from '../admissions.ts';
import { openingsOf } from '../watches/guard-watch.ts';
import { type ConfigChange, compareConfigs, hasOtherSequences, restartProblems } from './config-change.ts';
import type { ClientChange, EnrolledClients } from './enrolled-clients.ts';

export interface ReloadDeps {
  readonly engine: Engine;
  readonly admissions: Admissions;
  readonly clients: EnrolledClients;
  readonly doorsLock: SharedLock;
  readonly store: Store;
  readonly firewall: Firewall;
  readonly clock: Clock;
  readonly log: Log;
  /** The configuration in force; replaced here. */
  readonly current: { config: ServerConfig };
}

/** Names of doors, and numbers of clients at doors. */
export interface ReloadReport {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly string[];
  readonly clients: ClientChange;
}

export class ConfigReload {
  readonly #deps: ReloadDeps;

  constructor(deps: ReloadDeps) {
    this.#deps = deps;
  }

  /** One at a time. @throws KnockError CONFIG_INVALID, FIREWALL or STORE; nothing has changed then */
  async applyConfig({
    config,
    enrolments,
  }: LoadedServer): Promise<ReloadReport & Pick<ConfigChange, 'listensElsewhere'>> {
    const { current, store, doorsLock, log } = this.#deps;
    const problems = restartProblems(current.config, config);
    if (problems.length > 0) {
      throw new KnockError('CONFIG_INVALID', `the configuration ${config.file} cannot be taken while the daemon runs`, {
        problems,
      });
    }
    const change = compareConfigs(current.config, config);
    const clients = await doorsLock.exclusive(async () => {
      // Before anything moves: it may fail.
      const stored = await store.load();
      await this.#prepare(change, config);
      this.#exchange(change, config);
      return this.#deps.clients.change(enrolments, stored);
    });
    for (const { name } of change.added) log.info('door added', { door: name });
    for (const { before, after } of change.changed) {
      log.info('door changed', { door: after.name, reopens: !isDeepStrictEqual(before.action, after.action) });
    }
    for (const { name, action } of change.removed) {
      // What is not ours to guard is as open as the rest of the firewall leaves it.
      log.warn('door removed: nothing of ours guards its ports any more', { door: name, action: action.kind });
    }
    return {
      added: change.added.map(({ name }) => name),
      removed: change.removed.map(({ name }) => name),
      changed: change.changed.map(({ after }) => after.name),
      clients,
      listensElsewhere: change.listensElsewhere,
    };
  }

  /** The firewall as the new doors need it. What it refuses is undone. */
  async #prepare(change: ConfigChange, config: ServerConfig): Promise<void> {
    const { firewall, engine, clock, current, log } = this.#deps;
    const retired = retiredDoors(change);
    if (retired.length === 0 && change.added.length === 0) return;
    const staying = () =>
      openingsOf(engine.grants, clock.now().monoMs).filter(({ door }) => !retired.some(({ name }) => name === door));
    try {
      await firewall.prepare(config.doors, staying());
    } catch (error) {
      await firewall
        .prepare(current.config.doors, openingsOf(engine.grants, clock.now().monoMs))
        .catch((failure: unknown) => {
          log.error('the doors as they were could not be put back', { reason: formatProblemOf(failure) });
        });
      throw error;
    }
  }

  #exchange(change: ConfigChange, config: ServerConfig): void {
    const { admissions, engine, clock, current } = this.#deps;
    for (const door of retiredDoors(change)) admissions.closings.closeRetired(door);
    for (const { name } of change.removed) engine.removeDoor(name);
    for (const { before, after } of change.changed) {
      if (hasOtherSequences(before, after)) engine.removeDoor(after.name);
    }
    current.config = config;
    const { monoMs } = clock.now();
    this.#deps.clients.setPolicies(engine.enrolments().map(({ enrolment }) => enrolment));
    for (const door of config.doors) {
      if (door.kind === 'static') engine.setLines(door.name, staticLine(door), { monoMs, wallMs: clock.now().wallMs });
    }
  }
}

/** Doors as they were whose openings the new configuration cannot close. */
function retiredDoors({ removed, changed }: ConfigChange): readonly ActionDoor[] {
  const others = changed.filter(({ before, after }) => !isDeepStrictEqual(before.action, after.action));
  return [...removed, ...others.map(({ before }) => before)];
}

/** One line for whoever asked. */
export function describeReload({ added, removed, changed, clients }: ReloadReport): string {
  const words = (what: string, names: readonly string[]) => (names.length === 0 ? [] : [`${what} ${names.join(', ')}`]);
  const parts = [
    ...words('new:', added),
    ...words('gone:', removed),
    ...words('changed:', changed),
    ...(clients.added > 0 ? [`${clients.added} enrolled`] : []),
    ...(clients.removed > 0 ? [`${clients.removed} revoked`] : []),
  ];
  return `the configuration is taken: ${parts.length === 0 ? 'nothing changed' : parts.join('; ')}`;
}

/** A static door's one line, which is never spent. */
export function staticLine({ sequence }: StaticDoor): readonly ListedLine[] {
  return [{ id: 0, pairs: sequence.map(({ protocol, port }) => pairOf(protocol, port)) }];
}
