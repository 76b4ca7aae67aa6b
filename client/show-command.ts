/** `knock-otp show HOST`: options into words. What is shown is show.ts. */
import { KnockError } from '../shared/errors.ts';
import type { Deps } from './deps.ts';
import { findProfile } from './host-command.ts';
import { show } from './show.ts';
import { print, say } from './talk.ts';

export interface ShowOptions {
  readonly door?: string;
  readonly at?: number;
  readonly counter?: number;
  readonly code?: boolean;
}

export async function showHost(host: string, options: ShowOptions, deps: Deps): Promise<void> {
  if (options.at !== undefined && options.counter !== undefined) {
    throw new KnockError('USAGE', '--at and --counter exclude each other');
  }
  const { stored, ledger } = await findProfile(host, options.door, deps);
  const { at, counter, code } = options;
  const { profile } = stored;
  const shown = await show({ profile, wallMs: deps.clock.wallMs(), at, counter, code: code === true }, ledger);
  print(deps, shown.text);
  const kind = profile.mode === 'totp' ? 'time step' : 'counter';
  if (code === true) {
    say(deps, `code of ${kind} ${shown.factor}; no door accepts it, it is there to compare`);
  } else if (shown.waitMs > 0) {
    say(deps, `${kind} ${shown.factor}, not spent; can be used in ${Math.ceil(shown.waitMs / 1000)} s`);
  } else {
    say(deps, `${kind} ${shown.factor}, not spent`);
  }
}
