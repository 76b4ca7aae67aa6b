/** The events of a run of knocks, and their lines for `-v`. The progress line of a terminal is in progress-line.ts. */
import { formatSequence } from '../../shared/knock.ts';
import { addressesOf } from '../address/reachable-addresses.ts';
import type { Address } from '../deps.ts';
import type { SentEvent } from './attempt.ts';

export type KnockEvent =
  | { readonly kind: 'sharing' }
  | { readonly kind: 'unlocking' }
  | { readonly kind: 'waiting'; readonly waitMs: number }
  /** `resolved`: all addresses that have a route. */
  | {
      readonly kind: 'knocking';
      readonly address: Address;
      readonly factor: number;
      readonly resolved: readonly Address[];
    }
  /** The door did not open. */
  | { readonly kind: 'looking' }
  | SentEvent;

/** One line for `-v`. It may show a sequence, because a sent sequence is spent for this client. */
export function describeEvent(event: KnockEvent): string {
  switch (event.kind) {
    case 'unlocking':
      return 'the secret is locked';
    case 'sharing':
      return 'another run is knocking at this door: waiting for its result';
    case 'waiting':
      return `waiting ${Math.ceil(event.waitMs / 1000)} s for the next time step`;
    case 'knocking':
      return `knocking at ${addressesOf([event.address])} with factor ${event.factor}`;
    case 'looking':
      return 'not open: looking for the reason';
    case 'sent':
      return `${event.pass === 0 ? 'sent' : 'sent again'} ${formatSequence(event.knocks)}`;
  }
}
