/** The configuration that `init` writes: the answers, with a word on each, so that the administrator can go on from it. Pure. */

export interface Answers {
  /** One interface, several with commas, or `any`. */
  readonly interface: string;
  readonly server: string;
  readonly door: string;
  /** The value of `open`: `nftables tcp/22`. */
  readonly open: string;
  /** Where they are not the usual ones. */
  readonly stateDir?: string;
  readonly clientsDir?: string;
}

/** Text of the file. Whether the values are sound is the reader's to say: nothing is checked here. */
export function firstConfig(answers: Answers): string {
  return `# Configuration of knock-otpd, written by knock-otpd init. A comment stands on a line of its own.
# knock-otpd check says what is wrong with it, and how safe each door is.

[options]
# Where to listen: one interface, several with commas, or any.
interface = ${answers.interface}
# This server in every sequence. To change it is to enroll everyone anew.
server_id = ${answers.server}
${answers.stateDir === undefined ? '' : `state_dir = ${answers.stateDir}\n`}${
  answers.clientsDir === undefined ? '' : `clients_dir = ${answers.clientsDir}\n`
}
[${answers.door}]
# Sequences from the time; hotp takes a counter, for clients whose clock cannot be trusted.
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

/** What was written and what comes next, a line each. */
export function explain(files: WrittenFiles, { door, client }: { door: string; client: string }): readonly string[] {
  return [
    'written:',
    `  ${files.config}  the configuration, 0600: what is hidden, and how it opens`,
    `  ${files.secret}  the secret of ${client} at door ${door}, 0600: a copy of it is a key`,
    `  ${files.stateDir}  made when the daemon starts, 0700: what is spent and what is open; do not put back older copies`,
    'nothing is hidden yet, and nothing was started. next:',
    '  knock-otpd check                 how safe each door is',
    '  knock-otpd run --trial 5m        hides the port; opens it again in five minutes unless you confirm',
    '  knock-otp HOST                   from the client: knock yourself in, and log in there',
    '  knock-otpd confirm               it works: the guard stays',
  ];
}
