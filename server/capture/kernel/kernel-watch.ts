/**
 * Maintains the kernel's table of live ports and suspects: builds it, changes it with each rotation, switches between
 * "live" and "all", and rebuilds it when it was removed. `watch-script.ts` has the scripts, `watch-plan.ts` the decisions.
 * Each set of rules has a tag; only packets with the current tag count.
 *
 * A switch from "live" to "all" loses nothing: the packets of suspects are still seen. A switch back, or a new table, may
 * leave seen sources unwatched. So the tag changes with it, and all attempts in progress become void.
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

/** Minimum between listings of the whole table. */
const CHECK_MS = 5_000;
/** The same as a multiple of a listing's own time, which is a second with many suspects. */
const CHECK_SHARE = 20;
const GONE = 'its rules were removed from the kernel';

export interface KernelWatchOptions {
  readonly layout: WatchLayout;
  readonly live: LivePairs;
  /** Two runners, because a long listing must not delay a rotation. The caller closes them. */
  readonly changing: NftRunner;
  readonly listing: NftRunner;
  readonly monotonicMs: () => number;
  /** Called when attempts in progress become void, because they were not seen whole. */
  readonly onVoid: () => void;
  /** Called when the mode or the problem changed. */
  readonly onChange: () => void;
}

export class KernelWatch {
  readonly #options: KernelWatchOptions;
  #mode: WatchMode = 'filtered';
  #tag = nextTag(Math.floor(Math.random() * 255));
  /** The content of the kernel's sets of live ports. */
  #present = new Set<Pair>();
  #overflowing = false;
  #built = false;
  #problem: string | undefined;
  #running: Promise<void> | undefined;
  #dirty = false;
  #busy = false;
  #stopped = false;
  /** Counts changes of the rules: a listing that overlapped one is ignored. */
  #builds = 0;
  /** The listing of the table after the last change of its rules. */
  #listed: string | undefined;
  #nextCheckMs = 0;

  constructor(options: KernelWatchOptions) {
    this.#options = options;
  }

  /** The tag that packets must carry to count. */
  get tag(): number {
    return this.#tag;
  }

  get mode(): WatchMode {
    return this.#mode;
  }

  /** Why the capture is deaf; undefined while the table is installed. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Brings the table in line with the live pairs. Resolves when done or failed; never rejects. */
  update(): Promise<void> {
    this.#dirty = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** Checks whether the table exists and its set overflows. Call it about once a second. */
  tick(): void {
    void this.update();
    if (!this.#built || this.#busy) return;
    this.#busy = true;
    void this.#check().finally(() => {
      this.#busy = false;
    });
  }

  /** Removes the table. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
    await this.#options.changing.run(REMOVE_WATCH).catch(() => undefined);
  }

  async #run(): Promise<void> {
    while (this.#dirty && !this.#stopped) {
      this.#dirty = false;
      try {
        await (this.#built ? this.#adjust() : this.#build());
      } catch (error) {
        this.#fail(`nftables refused its rules: ${withoutPorts(error)}`);
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
    this.#built = true;
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
    this.#built = false;
    this.#problem = problem;
    this.#options.onChange();
  }

  async #check(): Promise<void> {
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
      if (startedMs >= this.#nextCheckMs) await this.#checkTable(builds);
    } catch {
      if (builds === this.#builds && !this.#stopped) await this.#rebuild();
    }
  }

  /** @throws KnockError when the table is not there */
  async #checkTable(builds: number): Promise<void> {
    const { listing, layout, monotonicMs } = this.#options;
    const startedMs = monotonicMs();
    const listed = await listing.list(LIST_WATCH, 'handles');
    const endedMs = monotonicMs();
    this.#nextCheckMs = endedMs + Math.max(CHECK_MS, (endedMs - startedMs) * CHECK_SHARE);
    if (builds !== this.#builds) return;
    const isOurs = hasWatchRules(listed, layout, this.#state(this.#mode));
    if (!isOurs || (this.#listed !== undefined && listed !== this.#listed)) await this.#rebuild();
    else this.#listed = listed;
  }

  async #rebuild(): Promise<void> {
    if (this.#stopped) return;
    this.#fail(GONE);
    await this.update();
  }
}

/** nft quotes the refused script, which contains live ports: only the text before any number is returned. */
function withoutPorts(error: unknown): string {
  const words = error instanceof Error ? error.message.replace('nftables refused: ', '') : '';
  return /^[A-Za-z ,:']+/.exec(words.replace(/\b(?:add|delete|flush|update) .*/s, ''))?.[0].trim() ?? 'no reason given';
}
