/**
 * A daemon on trial: unless the administrator knocks and confirms in time, the guard is removed again. So an
 * administrator cannot lock himself out. Neither the guard nor its removal cuts established sessions.
 *
 * The daemon itself may fail. So a second process, the keeper, holds the other end of a pipe: when the pipe ends
 * without the word TRIAL_DONE, or the time is over, the keeper removes the guard.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { KnockError } from '../../shared/errors.ts';
import type { Log } from '../log/log.ts';
import { childProgram } from '../process/child-programs.ts';

/** The daemon's message to the keeper when the trial is over and the keeper should end. */
export const TRIAL_DONE = 'done\n';
/** The keeper acts this much later than the daemon: it acts only when the daemon does not. */
export const KEEPER_GRACE_MS = 15_000;

export interface TrialDeps {
  readonly seconds: number;
  readonly configFile: string;
  /** The number of openings by knocks since the daemon started. */
  readonly opened: () => number;
  readonly log: Log;
}

export class Trial {
  readonly #deps: TrialDeps;
  readonly #keeper: ChildProcess;
  readonly #over: Promise<void>;
  #end: () => void = () => undefined;
  #timer: NodeJS.Timeout | undefined;
  #confirmed = false;

  /** Starts the keeper. Call it before the guard is made. */
  constructor(deps: TrialDeps) {
    this.#deps = deps;
    this.#over = new Promise((resolve) => {
      this.#end = resolve;
    });
    const { seconds, configFile } = deps;
    const argv = [...childProgram('keeper'), configFile, `${seconds * 1_000}`];
    this.#keeper = spawn(process.execPath, argv, {
      // Not in our process group: a terminal's signal to the daemon must not end the keeper.
      detached: true,
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    this.#keeper.on('error', () => undefined);
    this.#keeper.stdin?.on('error', () => undefined);
  }

  get confirmed(): boolean {
    return this.#confirmed;
  }

  /** Starts the timer. Resolves when the time is over without a confirmation; never after a confirmation. */
  async run(): Promise<void> {
    const { seconds, log } = this.#deps;
    if (this.#keeper.pid === undefined) {
      throw new KnockError('COMMAND', 'the process that would end the trial could not be started');
    }
    log.info('on trial: knock yourself in from another machine, then confirm', {
      seconds,
      command: 'knock-otpd confirm',
    });
    this.#timer = setTimeout(() => {
      log.warn('the trial is over without a confirmation: the guard is removed');
      this.#end();
    }, seconds * 1_000);
    await this.#over;
  }

  /** @throws KnockError USAGE when no knock has opened a door yet */
  confirm(): void {
    if (this.#deps.opened() === 0) {
      throw new KnockError('USAGE', 'no knock has opened a door since the trial began', {
        hint: 'knock-otp HOST from another machine and log in there, then confirm',
      });
    }
    this.#confirmed = true;
    clearTimeout(this.#timer);
    this.dismissKeeper();
    this.#deps.log.info('confirmed: the guard stays');
  }

  /** Ends the keeper: the guard stays, or has been removed. */
  dismissKeeper(): void {
    clearTimeout(this.#timer);
    this.#keeper.stdin?.end(TRIAL_DONE);
    this.#keeper.unref();
  }
}
