/** Where written-down sequences are struck. */
export interface LineStriker {
  /** Durably strikes the line and those before it. Striking what is struck is no error. @throws KnockError STORE */
  strike(door: string, line: number): Promise<void>;
}
