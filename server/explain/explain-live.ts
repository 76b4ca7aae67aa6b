/** `knock-otpd explain --live`: follows the running daemon and explains each packet on arrival. */
import type { ServerConfig } from '../config/config.ts';
import { followDaemon } from '../control/control-stream.ts';
import type { ExplainedPacket } from './explain-capture.ts';
import { type ExplainOutput, grantSeconds, servingDoors } from './explain-file.ts';
import { describePacket } from './explain-text.ts';

/** Resolves when `signal` aborts. @throws KnockError CONTROL when no daemon runs, or when it ends */
export async function explainLive(
  config: ServerConfig,
  flags: { readonly json?: boolean },
  { print, say }: ExplainOutput,
  signal: AbortSignal,
): Promise<void> {
  const wording = { opens: 'opens', secondsOf: grantSeconds(config.doors), serving: servingDoors(config.doors) };
  const onLine = (line: string): void => {
    if (flags.json === true) {
      print(line);
      return;
    }
    // Not validated: both ends of the control socket are one program.
    const packet = JSON.parse(line) as ExplainedPacket & { readonly skipped?: number };
    if (packet.skipped !== undefined) say(`${packet.skipped} packets are not shown`);
    print(describePacket(packet, wording));
  };
  await followDaemon(config.stateDir, 'trace', onLine, signal);
}
