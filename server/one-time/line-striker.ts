/** Strikes used lines in the one-time file of a door. */
export interface LineStriker {
  /** Durably strikes the line and those before it. A struck line is no error. @throws KnockError STORE */
  strike(door: string, line: number): Promise<void>;
}
