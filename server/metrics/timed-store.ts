/** A store that measures how long each durable spend takes, successful or not. */
import type { Store } from '../store/store.ts';

/** Calls `observe` with seconds. */
export function timedStore(store: Store, observe: (seconds: number) => void): Store {
  return {
    load: () => store.load(),
    spend: async (...args) => {
      const startedAt = performance.now();
      try {
        await store.spend(...args);
      } finally {
        observe((performance.now() - startedAt) / 1000);
      }
    },
    journal: (grant) => store.journal(grant),
    confirmOpen: (door, source) => store.confirmOpen(door, source),
    closeGrant: (door, source) => store.closeGrant(door, source),
    noteService: (service) => store.noteService(service),
    forgetService: (door, stop) => store.forgetService(door, stop),
    noteClock: (wallMs) => store.noteClock(wallMs),
    acceptClock: (wallMs) => store.acceptClock(wallMs),
    close: () => store.close(),
  };
}
