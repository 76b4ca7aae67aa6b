/**
 * Durable spending: writes what was used to where it is kept, and keeps what could not be written until it can be. It stays
 * spent in the engine's memory meanwhile.
 */
import { KnockError } from '../../shared/errors.ts';
import type { Spend } from '../core/effects.ts';
import type { Grant } from '../core/grants.ts';
import type { Log } from '../log/log.ts';
import type { LineStriker } from '../one-time/line-striker.ts';
import type { Store } from '../store/store.ts';

/** Spends waiting for a writable disk. Each stands for a valid knock, so only holders of secrets can fill it. */
const MAX_UNWRITTEN = 10_000;

/** What is to be spent, and whose it is. */
export interface Spendable {
  readonly door: string;
  readonly client: string;
  readonly spend: Spend;
}

export interface SpendingDeps {
  readonly store: Store;
  readonly lines: LineStriker;
  readonly log: Log;
}

export class Spending {
  readonly #deps: SpendingDeps;
  #unwritten: Spendable[] = [];

  constructor(deps: SpendingDeps) {
    this.#deps = deps;
  }

  get unwritten(): number {
    return this.#unwritten.length;
  }

  /** Spends durably, and journals the grant where there is one. Rejects when either is not durable; then it is owed. */
  async spendDurably(what: Spendable, grant?: Grant): Promise<void> {
    try {
      await this.#write(what, grant);
    } catch (error) {
      // What costs nothing need not be written later, and what somebody else has used already is.
      const isOwed = what.spend.kind !== 'nothing' && !isUsed(error);
      if (isOwed && this.#unwritten.length < MAX_UNWRITTEN) this.#unwritten.push(what);
      throw error;
    }
  }

  /** Tries again to write what is owed. True when nothing is left unwritten. */
  async retry(): Promise<boolean> {
    const waiting = this.#unwritten;
    this.#unwritten = [];
    for (const [at, what] of waiting.entries()) {
      try {
        await this.#write(what);
        this.#deps.log.info('what was used is now stored', { door: what.door, client: what.client });
      } catch (error) {
        // A later factor of the client has been stored meanwhile, and this one with it.
        if (isUsed(error)) continue;
        this.#unwritten = [...waiting.slice(at), ...this.#unwritten].slice(0, MAX_UNWRITTEN);
        return false;
      }
    }
    return true;
  }

  async #write({ door, client, spend }: Spendable, grant?: Grant): Promise<void> {
    const { store, lines } = this.#deps;
    if (spend.kind === 'factor') {
      await store.spend({ door, client, keyId: spend.keyId }, spend.state, grant);
      return;
    }
    if (spend.kind === 'line') await lines.strike(door, spend.line);
    if (grant !== undefined) await store.journal(grant);
  }
}

function isUsed(error: unknown): boolean {
  return error instanceof KnockError && error.code === 'FACTOR_USED';
}
