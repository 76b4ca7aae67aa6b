/**
 * What a packet script says: packets, and the openings that knockd and knock-otpd must show for them.
 * test/support/core/packet-script.ts has the syntax of the packets.
 * `opens` is the output of the doors' commands in order, with the letter of the source: `ssh A`, `-ssh A` for a close.
 * Scripts pause between two openings, because knockd starts both commands at once, and either may be first.
 * If knock-otpd differs on purpose, `ours` has its openings and `because` names the row of the list of differences.
 */
import type { DifferenceName } from './intended-differences.ts';

export interface PacketScript {
  readonly title: string;
  readonly send: string;
  readonly opens: readonly string[];
  readonly ours?: readonly string[];
  readonly because?: DifferenceName;
}

export interface ScriptGroup {
  readonly title: string;
  readonly doors: string;
  readonly scripts: readonly PacketScript[];
}

interface DoorText {
  readonly timeout?: number;
  /** Undefined: the door has no such key. */
  readonly flags?: string | undefined;
  readonly more?: string;
}

/** A door in knockd's syntax whose command writes its name and the source. */
export function door(name: string, sequence: string, { timeout = 3, more = '', ...rest }: DoorText = {}): string {
  const flags = 'flags' in rest ? rest.flags : 'syn';
  return `[${name}]
  Sequence    = ${sequence}
  Seq_Timeout = ${timeout}
${flags === undefined ? '' : `  TCPFlags    = ${flags}\n`}  Start_Command = /var/lib/say ${name} %IP%
${more}
`;
}
