/** Reads README, CONTRIBUTING and docs for tests: the fenced blocks, and the code in the text between them. */
import { readdirSync, readFileSync } from 'node:fs';

const root = new URL('../../../', import.meta.url);

/** Paths from the root of the repository. */
export const DOCUMENTS: readonly string[] = [
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync(new URL('docs/', root), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .sort()
    .map((name) => `docs/${name}`),
];

export function documentText(path: string): string {
  return readFileSync(new URL(path, root), 'utf8');
}

export interface FencedBlock {
  readonly language: string;
  readonly text: string;
  /** The NAME in a line `<!-- test: NAME -->` above the block. */
  readonly mark?: string;
}

export function fencedBlocks(text: string): readonly FencedBlock[] {
  const found = text.matchAll(/^(?:<!-- test: (\S+) -->\n)?```(\w*)\n([\s\S]*?)^```$/gm);
  return [...found].map(([, mark, language = '', inner = '']) => ({
    language,
    text: inner,
    ...(mark === undefined ? {} : { mark }),
  }));
}

/** Code between backticks outside of the fenced blocks, each on one line. */
export function inlineCode(text: string): readonly string[] {
  const between = text.replaceAll(/^```[\s\S]*?^```$/gm, '');
  return [...between.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code.replaceAll(/\s+/g, ' '));
}
