/** Asks questions on a terminal; an empty line chooses the default answer. */
import { createInterface } from 'node:readline';
import { KnockError } from '../../shared/errors.ts';

export interface Question {
  readonly text: string;
  readonly usual: string;
  /** What is wrong with an answer, in words; undefined when it is valid. */
  readonly wrong: (answer: string) => string | undefined;
}

export interface Asker {
  ask(question: Question): Promise<string>;
  close(): void;
}

const MAX_TRIES = 5;

/** @throws KnockError USAGE when the input ends, or five answers are wrong */
export function terminalAsker(input: NodeJS.ReadableStream, output: NodeJS.WritableStream): Asker {
  const reader = createInterface({ input, output });
  // The iterator buffers lines: a paste brings several lines before the next question.
  const lines = reader[Symbol.asyncIterator]();
  return {
    async ask({ text, usual, wrong }) {
      for (let tries = 0; tries < MAX_TRIES; tries += 1) {
        output.write(`${text} [${usual}] `);
        const { value: answer, done } = await lines.next();
        if (done === true) break;
        const chosen = answer.trim() === '' ? usual : answer.trim();
        const problem = wrong(chosen);
        if (problem === undefined) return chosen;
        output.write(`${problem}\n`);
      }
      throw new KnockError('USAGE', `no answer to: ${text}`, { hint: 'knock-otpd init --help lists a flag for each' });
    },
    close: () => reader.close(),
  };
}

/** Answers every question with its default. @throws KnockError USAGE when the default is wrong */
export const silentAsker: Asker = {
  async ask({ text, usual, wrong }) {
    const problem = wrong(usual);
    if (problem !== undefined) throw new KnockError('USAGE', `${text}: ${problem}`);
    return usual;
  },
  close: () => undefined,
};
