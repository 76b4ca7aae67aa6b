/** What is fuzzed: one reader of bytes that strangers can send or write, and what must hold whatever they are. */
export interface Target {
  /** Inputs to begin with, besides those that were kept. */
  readonly seeds: readonly Uint8Array[];
  /** Bytes of the longest input. */
  readonly maxLength: number;
  /**
   * Throws when something does not hold. `thorough` asks for checks too slow for every input; kept inputs, and each of a
   * number of others, get them.
   */
  run(input: Uint8Array, thorough: boolean): void | Promise<void>;
  /** Called once before the first input and once after the last. */
  begin?(): Promise<void>;
  end?(): Promise<void>;
}

/** The names of the modules in ./targets. */
export const targetNames = ['packet', 'records', 'config', 'sequences', 'profile', 'control'] as const;
export type TargetName = (typeof targetNames)[number];
