/**
 * Runs the demo and writes its output, with its times, as an animated picture: docs/pictures/demo.svg, or the given file.
 * scripts/record-demo starts it. When the demo fails, or plays the shorter story, the picture stays as it was.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Picture, renderRecording } from './svg.ts';
import { LineCollector, type Pace, paced, type TimedLine } from './timed-lines.ts';

const ROOT = join(import.meta.dirname, '../../..');
const DEMO = ['bash', 'scripts/demo'] as const;
/** The demo prints this on stderr when it plays the story without packets. */
const SHORTER = /the shorter story/;

/** Milliseconds during which the picture shows only the command. */
const LEAD = 700;
const PACE: Pace = { stretch: 1.5, perLetter: 13, longest: 2500 };
const PICTURE: Picture = {
  title: 'npm run demo',
  description:
    'A terminal shows the demo of knock-otp, recorded from a real run. Before a knock, port 22 answers nobody. ' +
    'The laptop knocks, the port opens for its address, and ssh gets in. A thief sends the captured knock again, and ' +
    'knock-otpd refuses it. After six seconds the door closes; the ssh session lives on.',
  command: 'npm run demo',
  columns: 66,
  height: 22,
  hold: 8000,
};

try {
  const lines = await recorded();
  const path = process.argv[2] ?? join(ROOT, 'docs/pictures/demo.svg');
  const svg = renderRecording(paced(lines, PACE), PICTURE);
  writeFileSync(path, svg);
  console.log(`record-demo: ${path}: ${lines.length} lines, ${Buffer.byteLength(svg)} bytes`);
} catch (error) {
  console.error(`record-demo: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}

/** @throws Error when the demo fails, or plays the shorter story */
async function recorded(): Promise<readonly TimedLine[]> {
  const collector = new LineCollector();
  const [program, ...words] = DEMO;
  const environment = { ...process.env, FORCE_COLOR: '1' };
  const demo = spawn(program, words, { cwd: ROOT, env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  let start: number | undefined;
  demo.stdout.setEncoding('utf8').on('data', (piece: string) => {
    // The time before the first line (building, making namespaces) is not part of the story.
    start ??= performance.now();
    collector.add(piece, LEAD + performance.now() - start);
  });
  demo.stderr.setEncoding('utf8').on('data', (piece: string) => {
    said += piece;
    process.stderr.write(piece);
  });
  const [code] = await once(demo, 'close');
  if (code !== 0) throw new Error(`the demo ended with ${code}`);
  if (SHORTER.test(said)) throw new Error('only the whole demo is recorded; it needs namespaces and packets');
  return collector.finish();
}
