/**
 * Keeps the kernel's table of live ports and suspects what it should be: built at the start, changed with every rotation,
 * switched to handing over everything and back, and built again when somebody took it away. Knows when which script is
 * run, and which packets that come from the group may be believed: those that carry the tag of today's rules. What is in
 * the scripts is watch-script's, what should be watched is watch-plan's.
 *
 * Nothing seen is ever forgotten on the way from "live" to "all": those who were suspects are still seen whole. The other
 * way, and with every new table, packets may have been seen of sources that the kernel does not watch now: so from the
 * moment that the change is under way only packets with a new tag count, and what was in progress is void.
 */
import type { Pair } from '../../../shared/knock.ts';
import type { LivePairs } from '../../core/matching/live-pairs.ts';
import type { NftRunner } from '../../nft/nft-runner.ts';
import { MODE_REASONS, nextMode, nextTag, setChanges, type WatchMode } from './watch-plan.ts';
import {
  hasWatchRules,
  LIST_OVERFLOW,
  LIST_WATCH,
  REMOVE_WATCH,
  saysOverflow,
  type WatchLayout,
  type WatchState,
  watchChanges,
  watchRules,
  watchTable,
} from './watch-script.ts';

/** Between two comparisons of the whole table. Listing it costs a second when there are many suspects: then seldom. */
const CHECK_MS = 5_000;
const CHECK_SHARE = 20;
const GONE = 'somebody took its rules from the kernel';

export interface KernelWatchOptions {
  readonly layout: WatchLayout;
  readonly live: LivePairs;
  /** For changes, and for listings: a long listing must not hold a rotation up. The caller's to close. */
  readonly changing: NftRunner;
  readonly listing: NftRunner;
  readonly monotonicMs: () => number;
  /** What is in progress has not been seen whole. */
  readonly onVoid: () => void;
  /** The mode or the problem has changed. */
  readonly onChange: () => void;
}

export class KernelWatch {
  readonly #options: KernelWatchOptions;
  #mode: WatchMode = 'filtered';
  #tag = nextTag(Math.floor(Math.random() * 255));
  /** What the kernel's sets of live ports hold. */
  #present = new Set<Pair>();
  #overflowing = false;
  #stands = false;
  #problem: string | undefined;
  #running: Promise<void> | undefined;
  #again = false;
  #looking = false;
  #stopped = false;
  /** Counts changes of rules: a listing that was under way meanwhile says nothing. */
  #builds = 0;
  /** The table as it was listed after the last change of its rules. */
  #listed: string | undefined;
  #nextCheckMs = 0;

  constructor(options: KernelWatchOptions) {
    this.#options = options;
  }

  /** What packets must carry to be believed. */
  get tag(): number {
    return this.#tag;
  }

  get mode(): WatchMode {
    return this.#mode;
  }

  /** Why nothing is heard; undefined while the table stands. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Brings the kernel in line with what is live now. Resolves when that is done, or has failed: never rejects. */
  update(): Promise<void> {
    this.#again = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** Looks whether the table is there and whether its set overflows; call it about once a second. */
  tick(): void {
    void this.update();
    if (!this.#stands || this.#looking) return;
    this.#looking = true;
    void this.#look().finally(() => {
      this.#looking = false;
    });
  }

  /** Takes the table away. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
    await this.#options.changing.run(REMOVE_WATCH).catch(() => undefined);
  }

  async #run(): Promise<void> {
    while (this.#again && !this.#stopped) {
      this.#again = false;
      try {
        await (this.#stands ? this.#adjust() : this.#build());
      } catch (error) {
        this.#fail(`nftables refused its rules: ${harmlessWords(error)}`);
        return;
      }
    }
  }

  async #build(): Promise<void> {
    const { live, layout, changing } = this.#options;
    live.takeTouched();
    const mode = nextMode(this.#mode, live.size, false);
    const present = new Set(mode === 'crowded' ? [] : live.all());
    this.#newTag();
    await changing.run(watchTable(layout, this.#state(mode), present));
    this.#stands = true;
    this.#present = present;
    this.#overflowing = false;
    this.#problem = undefined;
    this.#enter(mode);
    this.#options.onChange();
  }

  async #adjust(): Promise<void> {
    const { live } = this.#options;
    const before = this.#mode;
    const mode = nextMode(before, live.size, this.#overflowing);
    const touched = live.takeTouched();
    if (mode === 'crowded') {
      if (before === 'filtered') await this.#switch(mode);
      else this.#enter(mode);
      return;
    }
    await this.#change(before === 'crowded' ? new Set([...this.#present, ...live.all()]) : touched);
    if (mode === before) return;
    if (mode === 'filtered') this.#newTag();
    if (mode === 'filtered' || before === 'filtered') await this.#switch(mode);
    else this.#enter(mode);
  }

  async #change(touched: Iterable<Pair>): Promise<void> {
    const { added, removed } = setChanges(touched, this.#options.live, this.#present);
    for (const script of watchChanges(added, removed)) await this.#options.changing.run(script);
    for (const pair of added) this.#present.add(pair);
    for (const pair of removed) this.#present.delete(pair);
  }

  async #switch(mode: WatchMode): Promise<void> {
    await this.#options.changing.run(watchRules(this.#options.layout, this.#state(mode)));
    this.#enter(mode);
  }

  #enter(mode: WatchMode): void {
    const changed = mode !== this.#mode;
    this.#mode = mode;
    this.#builds += 1;
    this.#listed = undefined;
    if (changed) this.#options.onChange();
  }

  #newTag(): void {
    this.#tag = nextTag(this.#tag);
    this.#options.onVoid();
  }

  #state(mode: WatchMode): WatchState {
    return { sees: MODE_REASONS[mode] === undefined ? 'live' : 'all', tag: this.#tag };
  }

  #fail(problem: string): void {
    this.#stands = false;
    this.#problem = problem;
    this.#options.onChange();
  }

  async #look(): Promise<void> {
    const { listing, monotonicMs } = this.#options;
    const builds = this.#builds;
    const startedMs = monotonicMs();
    try {
      const overflowing = saysOverflow(await listing.list(LIST_OVERFLOW, 'json'));
      if (builds !== this.#builds) return;
      if (overflowing !== this.#overflowing) {
        this.#overflowing = overflowing;
        void this.update();
        return;
      }
      if (startedMs >= this.#nextCheckMs) await this.#check(builds);
    } catch {
      if (builds === this.#builds && !this.#stopped) await this.#mend();
    }
  }

  /** @throws KnockError when the table is not there */
  async #check(builds: number): Promise<void> {
    const { listing, layout, monotonicMs } = this.#options;
    const startedMs = monotonicMs();
    const listed = await listing.list(LIST_WATCH, 'handles');
    const endedMs = monotonicMs();
    this.#nextCheckMs = endedMs + Math.max(CHECK_MS, (endedMs - startedMs) * CHECK_SHARE);
    if (builds !== this.#builds) return;
    const isOurs = hasWatchRules(listed, layout, this.#state(this.#mode));
    if (!isOurs || (this.#listed !== undefined && listed !== this.#listed)) await this.#mend();
    else this.#listed = listed;
  }

  async #mend(): Promise<void> {
    if (this.#stopped) return;
    this.#fail(GONE);
    await this.update();
  }
}

/** nft quotes the script that it refuses, and that names live ports: only the words before any number are said. */
function harmlessWords(error: unknown): string {
  const words = error instanceof Error ? error.message.replace('nftables refused: ', '') : '';
  return /^[A-Za-z ,:']+/.exec(words.replace(/\b(?:add|delete|flush|update) .*/s, ''))?.[0].trim() ?? 'no reason given';
}
