/** Reads the terminal sessions that documents show: who types what on which host, and the expected answer. Pure. */

export interface Typed {
  /** The word before the prompt: `server`, `client`, `b1`. */
  readonly host: string;
  readonly command: string;
  /** The lines below the command. */
  readonly answers: readonly string[];
}

/** Names of our tarballs in a text, each once: `knock-otp-1.2.3.tgz`. */
export function tarballsIn(text: string): readonly string[] {
  return [...new Set(text.match(/knock-otp-\d[\w.-]*\.tgz/g))];
}

/** The console block below the mark `<!-- test: NAME -->`. @throws Error where there is none, or a line of it is odd */
export function typedSession(document: string, name: string): readonly Typed[] {
  const block = new RegExp(`^<!-- test: ${name} -->\\n\`\`\`console\\n([\\s\\S]*?)^\`\`\`$`, 'm').exec(document)?.[1];
  if (block === undefined) throw new Error(`no console block is marked "test: ${name}"`);
  const typed: (Typed & { readonly answers: string[] })[] = [];
  for (const line of block.trimEnd().split('\n')) {
    const [, host, command] = /^([a-z0-9]+)[#$] (.*)$/.exec(line) ?? [];
    const last = typed.at(-1);
    if (host !== undefined && command !== undefined) typed.push({ host, command, answers: [] });
    else if (last !== undefined) last.answers.push(line);
    else throw new Error(`no host has typed a command before "${line}"`);
  }
  return typed;
}
