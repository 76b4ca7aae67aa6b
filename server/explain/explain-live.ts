/** `knock-otpd explain --live`: follows the running daemon and prints the story of each packet as it comes. */
import type { ServerConfig } from '../config/config.ts';
import { followDaemon } from '../control/control-stream.ts';
import type { ExplainedPacket } from './explain-capture.ts';
import { type ExplainTalk, grantSeconds, servingDoors } from './explain-file.ts';
import { describePacket } from './explain-text.ts';

/** Resolves when `signal` ends it. @throws KnockError CONTROL when there is no daemon, or not any more */
export async function explainLive(
  config: ServerConfig,
  flags: { readonly json?: boolean },
  { print, say }: ExplainTalk,
  signal: AbortSignal,
): Promise<void> {
  const wording = { opens: 'opens', secondsOf: grantSeconds(config.doors), serving: servingDoors(config.doors) };
  const onLine = (line: string): void => {
    if (flags.json === true) {
      print(line);
      return;
    }
    // The daemon is this very version or says so: the type is a promise between two ends of one program.
    const packet = JSON.parse(line) as ExplainedPacket & { readonly skipped?: number };
    if (packet.skipped !== undefined) say(`${packet.skipped} packets are not shown`);
    print(describePacket(packet, wording));
  };
  await followDaemon(config.stateDir, 'trace', onLine, signal);
}
