/**
 * The configuration that `init` writes: the answers, each with a comment, so that the administrator can extend it.
 * Pure.
 */

export interface Answers {
  /** One interface, several with commas, or `any`. */
  readonly interface: string;
  readonly server: string;
  readonly door: string;
  /** The value of `open`: `nftables tcp/22`. */
  readonly open: string;
  /** Absent: the defaults. */
  readonly stateDir?: string;
  readonly clientsDir?: string;
}

/** The text of the file. Does not check the values: the reader of the configuration does. */
export function firstConfig(answers: Answers): string {
  return `# Configuration of knock-otpd, written by knock-otpd init. A comment needs a line of its own.
# knock-otpd check reports what is wrong with it, and how safe each door is.

[options]
# Where to listen: one interface, several with commas, or any.
interface = ${answers.interface}
# This server's name, part of every sequence. If it changes, enroll all clients again.
server_id = ${answers.server}
${answers.stateDir === undefined ? '' : `state_dir = ${answers.stateDir}\n`}${
  answers.clientsDir === undefined ? '' : `clients_dir = ${answers.clientsDir}\n`
}
[${answers.door}]
# Sequences from the time. hotp uses a counter, for clients whose clock cannot be trusted.
otp = totp
# What a knock opens, and for how many seconds to new connections. Established ones live on.
open = ${answers.open}
cmd_timeout = 30
`;
}

export interface WrittenFiles {
  readonly config: string;
  readonly secret: string;
  readonly stateDir: string;
}

/** The written files and the next steps, one line each. */
export function explain(files: WrittenFiles, { door, client }: { door: string; client: string }): readonly string[] {
  return [
    'written:',
    `  ${files.config}  the configuration, 0600: hidden ports, and how they open`,
    `  ${files.secret}  the secret of ${client} at door ${door}, 0600: a copy of it is a key`,
    `  ${files.stateDir}  made when the daemon starts, 0700: spent factors and open doors; never restore an older copy`,
    'nothing is hidden yet, and nothing was started. next:',
    '  knock-otpd check                 how safe each door is',
    '  knock-otpd run --trial 5m        hides the port; opens it again in five minutes unless you confirm',
    '  knock-otp HOST                   from the client: knock yourself in, and log in there',
    '  knock-otpd confirm               it works: the guard stays',
  ];
}
