/** Reads docs/pictures/demo.svg line by line, and finds the lines that every run of the demo prints. */
import { readFileSync } from 'node:fs';

const PICTURE = new URL('../../../docs/pictures/demo.svg', import.meta.url);
const DEMO = new URL('../../../scripts/demonstration/demo.ts', import.meta.url);

/** The lines of a recording, with wrapped rows joined. */
export function linesOfPicture(svg: string): readonly string[] {
  return [...svg.matchAll(/<g(?: class="k\d+")?>(<text.*)<\/g>$/gm)].map(([, texts = '']) =>
    texts
      .replace(/<[^>]*>/g, '')
      .replaceAll('&lt;', '<')
      .replaceAll('&gt;', '>')
      .replaceAll('&quot;', '"')
      .replaceAll('&amp;', '&'),
  );
}

export function demoPicture(): string {
  return readFileSync(PICTURE, 'utf8');
}

/** The lines that are the same in every run: without ports, times, packets, and the reason why a replay is refused. */
export function unchanging(lines: readonly string[]): readonly string[] {
  return lines.filter((line) => !/^ {3}(knock-otp: |Nmap done|Actual|\s+Successful|.*refused: )/.test(line));
}

/** The steps and their checks. */
export function storyLines(lines: readonly string[]): readonly string[] {
  return lines.filter((line) => /^(\d+\. | {3}✓ )/.test(line));
}

/** The story lines of scripts/demonstration/demo.ts in the order of a run, with the scan at the place of its call. */
export function storyInSource(): readonly string[] {
  const source = readFileSync(DEMO, 'utf8');
  const scan = bodyOf(source, 'scan');
  const play = bodyOf(source, 'play').replace('await scan(', () => `${scan}\nawait scan(`);
  const seconds = /const GRANT_SECONDS = (\d+);/.exec(source)?.[1] ?? '';
  let step = 0;
  return [...play.matchAll(/story\.(tell|check)\(\s*(['"`])(.*?)\2/g)].map(([, what, , text = '']) => {
    const said = text.replace(`\${GRANT_SECONDS}`, () => seconds);
    if (what === 'check') return `   ✓ ${said}`;
    step += 1;
    return `${step}. ${said}`;
  });
}

function bodyOf(source: string, name: string): string {
  const start = source.indexOf(`async function ${name}(`);
  return source.slice(start, source.indexOf('\n}\n', start));
}
