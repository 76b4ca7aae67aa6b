/**
 * Backend for doors that guard no port: a knock only starts a service (server/demand). While a grant at such a door
 * lasts, the service is not stopped.
 */
import type { Firewall, Opening } from './firewall.ts';

export class UnguardedDoors implements Firewall {
  openingsPersist(): boolean {
    return false;
  }

  async prepare(): Promise<void> {}

  async open(): Promise<void> {}

  async close(): Promise<void> {}

  async list(): Promise<readonly Opening[]> {
    return [];
  }

  async guardStands(): Promise<boolean> {
    return true;
  }

  async release(): Promise<void> {}
}
