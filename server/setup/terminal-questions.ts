/** Questions on a terminal, each with the answer that an empty line gives. Knows no question. */
import { createInterface } from 'node:readline';
import { KnockError } from '../../shared/errors.ts';

export interface Question {
  readonly text: string;
  readonly usual: string;
  /** What is wrong with an answer, in words; undefined when it will do. */
  readonly wrong: (answer: string) => string | undefined;
}

export interface Asker {
  ask(question: Question): Promise<string>;
  close(): void;
}

const MAX_TRIES = 5;

/** @throws KnockError USAGE when the input ends, or no answer will do */
export function terminalAsker(input: NodeJS.ReadableStream, output: NodeJS.WritableStream): Asker {
  const reader = createInterface({ input, output });
  // Lines are kept as they come: a paste brings several before the next question is asked.
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

/** Takes what was not given by a flag as it usually is. @throws KnockError USAGE when that will not do */
export const silentAsker: Asker = {
  async ask({ text, usual, wrong }) {
    const problem = wrong(usual);
    if (problem !== undefined) throw new KnockError('USAGE', `${text}: ${problem}`);
    return usual;
  },
  close: () => undefined,
};
