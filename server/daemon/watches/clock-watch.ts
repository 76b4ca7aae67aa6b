/**
 * Watches the wall clock: tells the engine how late it has been, the store from time to time, and the log when the clock
 * stands before that. What a clock set back means for a knock is policy's business.
 */
import type { Engine } from '../../core/engine.ts';
import type { Now } from '../../core/grants.ts';
import { formatProblemOf } from '../../log/error-text.ts';
import type { Log } from '../../log/log.ts';
import type { Store } from '../../store/store.ts';

const NOTE_PAUSE_MS = 60_000;

export interface ClockWatchDeps {
  readonly engine: Engine;
  readonly store: Store;
  readonly log: Log;
  /** Names, as they are configured now. */
  readonly doors: () => readonly string[];
}

export class ClockWatch {
  readonly #deps: ClockWatchDeps;
  #wasTrusted = true;
  #nextNoteMs = 0;

  constructor(deps: ClockWatchDeps) {
    this.#deps = deps;
  }

  onTick({ wallMs, monoMs }: Now): void {
    const { engine, store, log } = this.#deps;
    const doors = this.#deps.doors().flatMap((name) => engine.door(name) ?? []);
    const trusted = doors.every((door) => engine.isClockTrusted(door, wallMs));
    if (trusted !== this.#wasTrusted) this.#say(trusted);
    this.#wasTrusted = trusted;
    engine.noteClock(wallMs);
    if (!trusted || monoMs < this.#nextNoteMs) return;
    this.#nextNoteMs = monoMs + NOTE_PAUSE_MS;
    store.noteClock(wallMs).catch((error: unknown) => {
      log.warn('the clock mark could not be stored', { reason: formatProblemOf(error) });
    });
  }

  /** The administrator says that the clock is right. @throws KnockError STORE, and then nothing is accepted */
  async accept(wallMs: number): Promise<void> {
    await this.#deps.store.acceptClock(wallMs);
    this.#deps.engine.acceptClock(wallMs);
  }

  #say(trusted: boolean): void {
    const { log, engine } = this.#deps;
    if (trusted) {
      log.info('the clock is past what was seen before, totp doors work again');
      return;
    }
    log.error('the clock stands before a time already seen: totp doors refuse until it has caught up', {
      seen: new Date(engine.clockHighWater).toISOString(),
      hint: 'knock-otpd accept-clock',
    });
  }
}
