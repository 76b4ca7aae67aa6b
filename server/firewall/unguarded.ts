/**
 * Doors that guard nothing: all that a knock does there is to start a service (server/demand). A grant at such a door
 * keeps the service from being stopped while it lasts.
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
