/** Describes a target: one reader of bytes that strangers can send or write, and what must hold for all inputs. */
export interface Target {
  /** Inputs to begin with, besides the stored inputs. */
  readonly seeds: readonly Uint8Array[];
  /** The length of the longest input, in bytes. */
  readonly maxLength: number;
  /**
   * Throws when a rule does not hold. `thorough` asks for checks that are too slow for every input. All stored inputs
   * get them, and every input after a number of others.
   */
  run(input: Uint8Array, thorough: boolean): void | Promise<void>;
  /** `begin` runs once before the first input, `end` once after the last. */
  begin?(): Promise<void>;
  end?(): Promise<void>;
}

/** The names of the modules in ./targets. */
export const targetNames = ['packet', 'records', 'config', 'sequences', 'profile', 'control'] as const;
export type TargetName = (typeof targetNames)[number];
