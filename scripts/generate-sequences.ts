/**
 * `scripts/generate-sequences`: makes files of one-time sequences on a machine without a daemon, such as the laptop that
 * will knock. It is the command `knock-otpd sequences` as a program.
 */
import { Command, CommanderError } from 'commander';
import { addSequencesCommand } from '../server/one-time/sequences-command.ts';
import { exitCodeOf, KnockError } from '../shared/errors.ts';

const say = (line: string) => process.stderr.write(`generate-sequences: ${line}\n`);
const program = new Command('generate-sequences').exitOverride().configureOutput({
  writeErr: (text) => process.stderr.write(text.replace(/^error: /, 'generate-sequences: error: ')),
});

try {
  await addSequencesCommand(program, say).parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : 2;
  } else {
    process.exitCode = exitCodeOf(error);
    say(`error: ${error instanceof Error ? error.message : String(error)}`);
    if (error instanceof KnockError && error.hint !== undefined) say(`hint: ${error.hint}`);
  }
}
