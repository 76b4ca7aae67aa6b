/** What a run of knocks tells of itself while it goes on, and the plain lines of `-v`. The line of a terminal is progress-line.ts. */
import { formatSequence } from '../../shared/knock.ts';
import { addressesOf } from '../address/reachable-addresses.ts';
import type { Address } from '../deps.ts';
import type { SentEvent } from './attempt.ts';

export type KnockEvent =
  | { readonly kind: 'sharing' }
  | { readonly kind: 'unlocking' }
  | { readonly kind: 'waiting'; readonly waitMs: number }
  /** `resolved`: all addresses that could be knocked at. */
  | {
      readonly kind: 'knocking';
      readonly address: Address;
      readonly factor: number;
      readonly resolved: readonly Address[];
    }
  /** It did not open. */
  | { readonly kind: 'looking' }
  | SentEvent;

/** One line for `-v`. Only for sequences that were sent: these are spent for us. */
export function describeEvent(event: KnockEvent): string {
  switch (event.kind) {
    case 'unlocking':
      return 'the secret is locked';
    case 'sharing':
      return 'another run knocks at this door: waiting for what comes of it';
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
