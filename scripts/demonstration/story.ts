/** Prints a story in steps, and checks each step. The first check that fails ends the story. */
import pc from 'picocolors';

export class Story {
  #step = 0;

  tell(text: string): void {
    this.#step += 1;
    console.log(`\n${pc.bold(`${this.#step}. ${text}`)}`);
  }

  show(text: string): void {
    for (const line of text.trimEnd().split('\n')) console.log(pc.dim(`   ${line}`));
  }

  /** @throws Error when the check fails */
  check(what: string, holds: boolean): void {
    if (!holds) throw new Error(`the check failed: ${what}`);
    console.log(`   ${pc.green('✓')} ${what}`);
  }
}
