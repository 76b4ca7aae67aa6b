/**
 * What happens at doors with written-down sequences, in knockd's words: `192.0.2.7: openSSH: OPEN SESAME`. Rules of
 * fail2ban and the habits of people go by these lines, so they stand in place of ours at such doors; failures are said in
 * our words everywhere. Nothing of a sequence is in them, and the name of a source is asked for only once a door has
 * opened to it: a question to a name server tells whoever sees it that somebody knocks here.
 */
import { type AddressKey, formatAddress } from '../../shared/address.ts';
import type { ConfiguredDoor } from '../config/config.ts';
import type { Admission } from '../core/engine.ts';
import type { Grant } from '../core/grants.ts';
import type { Log, LogEvent } from '../log/log.ts';

export interface KnockdLogLinesDeps {
  /** As they are configured now. */
  readonly doors: () => readonly ConfiguredDoor[];
  readonly log: Log;
  readonly nameOf?: (address: AddressKey) => Promise<string | undefined>;
}

export class KnockdLogLines {
  readonly #doors: KnockdLogLinesDeps['doors'];
  readonly #log: Log;
  readonly #nameOf: KnockdLogLinesDeps['nameOf'];

  constructor({ doors, log, nameOf }: KnockdLogLinesDeps) {
    this.#doors = doors;
    this.#log = log;
    this.#nameOf = nameOf;
  }

  stage(door: string, source: AddressKey, stage: number): void {
    this.#say(door, source, `Stage ${stage}`, { message: 'stage', fields: { stage } });
  }

  /** After the door has opened. False when the door is not one of these, and nothing was said. */
  opened({ door, source }: Admission): boolean {
    const said = this.#say(door, source, 'OPEN SESAME', { message: 'opened', fields: {} });
    // A line of its own: this one must not wait for a name server.
    void this.#nameOf?.(source).then((name) => {
      if (name !== undefined) this.#log.info('name of the source', { door, source: formatAddress(source), name });
    });
    return said;
  }

  /** After the door has closed at the end of its time or of the daemon's. */
  closed({ door, source }: Grant): boolean {
    return this.#say(door, source, 'command timeout', { message: 'closed', fields: {} });
  }

  #say(door: string, source: AddressKey, what: string, { message, fields }: LogEvent): boolean {
    if (!this.#doors().some(({ name, kind }) => name === door && kind !== 'derived')) return false;
    const address = formatAddress(source);
    this.#log.knockd(`${address}: ${door}: ${what}`, { message, fields: { door, source: address, ...fields } });
    return true;
  }
}
