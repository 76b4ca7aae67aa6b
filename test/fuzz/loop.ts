/**
 * The fuzzing loop: takes a stored input, changes it and runs it. Stores the new input when it reaches a new branch,
 * or takes a branch more often than any input before. The same seed, target and stored inputs give the same inputs in
 * the same order.
 */
import { Chance, Mutator } from './mutate.ts';
import type { Target } from './target.ts';

export interface Budget {
  /** The loop ends when one of the two is used up; both may be infinite. */
  readonly inputs: number;
  readonly seconds: number;
}

export interface Outcome {
  readonly inputs: number;
  readonly seconds: number;
  /** The number of reached branches, and of all branches. */
  readonly reached: number;
  readonly edges: number;
  /** A small set of inputs that reaches as much as all inputs together. */
  readonly kept: readonly Uint8Array[];
  readonly failure?: { readonly input: Uint8Array; readonly error: unknown };
}

/** An input that keeps the processor busy for longer, three times in a row, is a failure. */
const MAX_CPU_MS = 500;
/** The number of inputs between two thorough checks. */
const THOROUGH_EVERY = 256;
/** The number of inputs between two looks at the clock. */
const CLOCK_EVERY = 16;

interface Kept {
  readonly input: Uint8Array;
  readonly features: readonly number[];
}

export class Loop {
  readonly #target: Target;
  readonly #counts: Uint8Array;
  readonly #edges: number;
  /** For each branch, how often inputs took it: one bit for each order of magnitude. */
  readonly #seen: Uint8Array;
  readonly #kept: Kept[] = [];
  readonly #chance: Chance;
  readonly #mutator: Mutator;
  #inputs = 0;

  constructor(target: Target, counts: Uint8Array, edges: number, words: readonly Uint8Array[], seed: number) {
    this.#target = target;
    this.#counts = counts.subarray(0, edges);
    this.#edges = edges;
    this.#seen = new Uint8Array(edges);
    this.#chance = new Chance(seed);
    this.#mutator = new Mutator(this.#chance, words, target.maxLength);
  }

  async run(corpus: readonly Uint8Array[], budget: Budget): Promise<Outcome> {
    const startedAt = performance.now();
    const elapsed = () => (performance.now() - startedAt) / 1000;
    const outcome = (failure?: Outcome['failure']): Outcome => ({
      inputs: this.#inputs,
      seconds: elapsed(),
      reached: this.#seen.reduce((sum, bits) => sum + (bits === 0 ? 0 : 1), 0),
      edges: this.#edges,
      kept: smallestSet(this.#kept),
      ...(failure === undefined ? {} : { failure }),
    });
    for (const input of [...corpus, ...this.#target.seeds, new Uint8Array(0)]) {
      const error = await this.#try(input.slice(0, this.#target.maxLength), true);
      if (error !== undefined) return outcome({ input, error: error.thrown });
    }
    while (this.#inputs < budget.inputs) {
      if (this.#inputs % CLOCK_EVERY === 0 && elapsed() > budget.seconds) break;
      const input = this.#mutator.mutated(this.#pick(), this.#pick());
      const tried = this.#try(input, this.#inputs % THOROUGH_EVERY === 0);
      const error = tried instanceof Promise ? await tried : tried;
      if (error !== undefined) return outcome({ input: input.slice(), error: error.thrown });
    }
    return outcome();
  }

  /** Chooses one of the newest inputs half of the time, because new branches are nearest to them. */
  #pick(): Uint8Array {
    const { length } = this.#kept;
    const span = this.#chance.below(2) === 0 ? Math.min(length, 8) : length;
    return this.#kept[length - 1 - this.#chance.below(Math.max(1, span))]?.input ?? new Uint8Array(0);
  }

  /** The thrown value, if any. Synchronous where the target is. */
  #try(
    input: Uint8Array,
    thorough: boolean,
  ): { readonly thrown: unknown } | undefined | Promise<{ readonly thrown: unknown } | undefined> {
    this.#inputs += 1;
    this.#counts.fill(0);
    const startedAt = performance.now();
    try {
      const running = this.#target.run(input, thorough);
      if (running === undefined) return this.#judge(input, performance.now() - startedAt);
      return running.then(
        () => this.#judge(input, 0),
        (thrown: unknown) => ({ thrown }),
      );
    } catch (thrown) {
      return { thrown };
    }
  }

  #judge(input: Uint8Array, tookMs: number): { readonly thrown: unknown } | undefined {
    if (tookMs > MAX_CPU_MS && this.#isSlow(input)) {
      return { thrown: new Error(`${input.length} bytes keep the processor busy for ${Math.round(tookMs)} ms`) };
    }
    if (!this.#isNew()) return undefined;
    const features: number[] = [];
    for (let at = 0; at < this.#edges; at += 1) {
      const bit = magnitude(this.#counts[at] ?? 0);
      if (bit !== 0) features.push((at << 8) | bit);
      this.#seen[at] = (this.#seen[at] ?? 0) | bit;
    }
    this.#kept.push({ input: input.slice(), features });
    return undefined;
  }

  #isNew(): boolean {
    const counts = this.#counts;
    for (let at = 0; at < counts.length; at += 1) {
      const count = counts[at] ?? 0;
      if (count !== 0 && (magnitude(count) & ~(this.#seen[at] ?? 0)) !== 0) return true;
    }
    return false;
  }

  /** Runs the input again and measures processor time, because other programs may have caused the delay. */
  #isSlow(input: Uint8Array): boolean {
    for (let again = 0; again < 3; again += 1) {
      const before = process.cpuUsage();
      void this.#target.run(input, false);
      if (process.cpuUsage(before).user / 1000 < MAX_CPU_MS) return false;
    }
    return true;
  }
}

/** One bit for 1, 2, 3, 4-7, 8-15, 16-31, 32-127 and more: the steps of AFL. */
function magnitude(count: number): number {
  if (count === 0) return 0;
  if (count < 4) return 1 << (count - 1);
  if (count < 8) return 8;
  if (count < 16) return 16;
  if (count < 32) return 32;
  return count < 128 ? 64 : 128;
}

/** A set of inputs that has every feature; prefers short inputs. */
function smallestSet(kept: readonly Kept[]): Uint8Array[] {
  const covered = new Set<number>();
  const chosen: Uint8Array[] = [];
  for (const { input, features } of kept.toSorted((a, b) => a.input.length - b.input.length)) {
    if (features.every((feature) => covered.has(feature))) continue;
    for (const feature of features) covered.add(feature);
    chosen.push(input);
  }
  return chosen;
}
