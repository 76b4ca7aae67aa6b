/** What was written to a stream so far, as text. */
import type { PassThrough } from 'node:stream';

/** Reads everything that waits in the stream; '' without anything. One `read()` returns only one chunk since Node 26. */
export function readText(stream: PassThrough): string {
  const chunks: Buffer[] = [];
  for (let chunk = stream.read(); chunk !== null; chunk = stream.read()) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
