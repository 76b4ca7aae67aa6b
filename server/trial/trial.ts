/**
 * A daemon on trial: unless the administrator confirms in time that he can knock himself in, the guard is taken away
 * again, so that nobody locks himself out. Established sessions are never cut, by the guard or by its end.
 *
 * The daemon may itself be what fails, so the promise is kept by a second process: the keeper holds the end of a pipe,
 * and when that ends without a word, or the time is over, it takes the guard away.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { KnockError } from '../../shared/errors.ts';
import type { Log } from '../log/log.ts';
import { childProgram } from '../process/child-programs.ts';

/** What the daemon says to the keeper when there is nothing left to keep. */
export const TRIAL_DONE = 'done\n';
/** The keeper acts this much later than the daemon would: it is for a daemon that does not. */
export const KEEPER_GRACE_MS = 15_000;

export interface TrialDeps {
  readonly seconds: number;
  readonly configFile: string;
  /** Openings by knocks since the daemon started. */
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

  /** Starts the keeper; to be made before the guard is. */
  constructor(deps: TrialDeps) {
    this.#deps = deps;
    this.#over = new Promise((resolve) => {
      this.#end = resolve;
    });
    const { seconds, configFile } = deps;
    const argv = [...childProgram('keeper'), configFile, `${seconds * 1_000}`];
    this.#keeper = spawn(process.execPath, argv, {
      // Not in our process group: what ends the daemon by its terminal must not end the keeper.
      detached: true,
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    this.#keeper.on('error', () => undefined);
    this.#keeper.stdin?.on('error', () => undefined);
  }

  get confirmed(): boolean {
    return this.#confirmed;
  }

  /** Begins to count. Resolves when the time is over without a confirmation; never when there was one. */
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
      log.warn('the trial is over and nobody has confirmed: the guard is taken away');
      this.#end();
    }, seconds * 1_000);
    await this.#over;
  }

  /** @throws KnockError USAGE when nobody has knocked himself in yet */
  confirm(): void {
    if (this.#deps.opened() === 0) {
      throw new KnockError('USAGE', 'nobody has knocked himself in since the trial began', {
        hint: 'knock-otp HOST from another machine and log in there, then confirm',
      });
    }
    this.#confirmed = true;
    clearTimeout(this.#timer);
    this.dismissKeeper();
    this.#deps.log.info('confirmed: the guard stays');
  }

  /** For when the guard is to stay, or has been taken away. */
  dismissKeeper(): void {
    clearTimeout(this.#timer);
    this.#keeper.stdin?.end(TRIAL_DONE);
    this.#keeper.unref();
  }
}
