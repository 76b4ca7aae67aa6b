/**
 * Changes of doors and clients while the daemon runs, one after the other: a configuration that was read again, and clients
 * that were enrolled or revoked.
 */
import type { ServerConfig } from '../../config/config.ts';
import type { LoadedServer } from '../../config/load-server.ts';
import type { Enrolment } from '../../core/door.ts';
import type { Store } from '../../store/store.ts';
import type { ActiveCapture } from '../active-capture.ts';
import type { Rotation } from '../rotation.ts';
import type { ConfigReload, ReloadReport } from './config-reload.ts';
import type { ClientChange, EnrolledClients } from './enrolled-clients.ts';

export interface LiveChangesDeps {
  readonly reload: ConfigReload;
  readonly clients: EnrolledClients;
  readonly capture: ActiveCapture;
  readonly rotation: Rotation;
  readonly store: Store;
  readonly config: () => ServerConfig;
  readonly readEnrolments: (config: ServerConfig) => Promise<readonly Enrolment[]>;
  /** Called when doors were added or removed, or have other files. */
  readonly onDoors?: (config: ServerConfig) => Promise<void>;
}

export class LiveChanges {
  readonly #deps: LiveChangesDeps;
  #last: Promise<unknown> = Promise.resolve();

  constructor(deps: LiveChangesDeps) {
    this.#deps = deps;
  }

  /** Takes in enrolled, changed and revoked clients. @throws KnockError when the files or the store cannot be read */
  async reloadClients(): Promise<ClientChange> {
    const { clients, rotation, store, config, readEnrolments } = this.#deps;
    return await this.#oneByOne(async () => {
      const wanted = await readEnrolments(config());
      // Counters may have moved since the start, and a secret may come back that was here before.
      const change = clients.change(wanted, await store.load());
      void rotation.advance();
      return change;
    });
  }

  /**
   * Takes a configuration that was read again, whole or not at all: then the one before stays in force.
   * @throws KnockError CONFIG_INVALID when it takes a restart or cannot be read, FIREWALL when its doors cannot be had
   */
  async reloadConfig(load: () => Promise<LoadedServer>): Promise<ReloadReport> {
    const { reload, capture, rotation, onDoors } = this.#deps;
    return await this.#oneByOne(async () => {
      const loaded = await load();
      const { listensElsewhere, ...report } = await reload.applyConfig(loaded);
      await onDoors?.(loaded.config);
      if (listensElsewhere) await capture.restart();
      await rotation.advance();
      return report;
    });
  }

  /** Resolves when no change is under way. */
  async idle(): Promise<void> {
    await this.#last;
  }

  #oneByOne<T>(change: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(change);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}
