/**
 * A command line as data: commands, options, arguments and what stands for each value. Read from the tree that the
 * program parses with, so that completion can offer nothing that is not there. Knows of commander only what it looks at;
 * how a shell is told is bash.ts, zsh.ts and fish.ts.
 */

/** What completes a value: `nothing`, `files`, `folders`, `programs`, or the name of one of the program's own lists. */
export type Kind = string;

export interface Value {
  readonly name: string;
  readonly kind: Kind;
  readonly choices?: readonly string[];
}

export interface OptionWords {
  /** One or both of `-x` and `--long`. */
  readonly words: readonly string[];
  readonly description: string;
  readonly value?: Value;
}

export interface ArgumentWords extends Value {
  readonly description: string;
  readonly isRequired: boolean;
  readonly isVariadic: boolean;
}

export interface Grammar {
  /** The words of the command with blanks, empty for the program itself. */
  readonly path: string;
  readonly description: string;
  /** All that the command takes, with those of the whole program where it takes them too. */
  readonly options: readonly OptionWords[];
  readonly arguments: readonly ArgumentWords[];
  readonly commands: readonly Grammar[];
  /** What follows the first argument belongs to another program. */
  readonly passesThrough: boolean;
}

/** What a program says of its values beside the tree. */
export interface Completions {
  readonly program: string;
  /** By the name of the value, or by command and name: `remove name`. */
  readonly kinds: Readonly<Record<string, Kind>>;
  /**
   * The program's own lists: scripts for sh that print one word a line. They hold neither quotes of the single kind nor
   * backslashes, so that every shell takes them between single quotes.
   */
  readonly lists: Readonly<Record<string, string>>;
  /** Options of the program stand behind its commands too. */
  readonly optionsAnywhere: boolean;
  /** Commands whose words, from the first argument on, are another program's. */
  readonly passThrough: readonly string[];
}

/** What is looked at of a commander Command. */
export interface CommandLike {
  name(): string;
  description(): string;
  readonly options: readonly {
    readonly flags: string;
    readonly short?: string | undefined;
    readonly long?: string | undefined;
    readonly description: string;
    readonly hidden: boolean;
    readonly argChoices?: readonly string[] | undefined;
  }[];
  readonly registeredArguments: readonly {
    readonly description: string;
    readonly required: boolean;
    readonly variadic: boolean;
    readonly argChoices?: readonly string[] | undefined;
    name(): string;
  }[];
  readonly commands: readonly CommandLike[];
}

const HELP: OptionWords = { words: ['-h', '--help'], description: 'show this help' };

/** The tree of a program, or of a command with `path`. */
export function grammarOf(
  command: CommandLike,
  completions: Completions,
  path = '',
  above: readonly OptionWords[] = [],
): Grammar {
  const readValue = (name: string, choices: readonly string[] | undefined): Value => ({
    name,
    kind: completions.kinds[`${path} ${name}`.trim()] ?? completions.kinds[name] ?? 'nothing',
    ...(choices === undefined ? {} : { choices }),
  });
  const own = command.options
    .filter(({ hidden }) => !hidden)
    .map(({ flags, short, long, description, argChoices }): OptionWords => {
      const name = /[<[]([^>\]]+)[>\]]$/.exec(flags)?.[1];
      return {
        words: [short, long].filter((word) => word !== undefined),
        description,
        ...(name === undefined ? {} : { value: readValue(name, argChoices) }),
      };
    });
  const below = completions.optionsAnywhere ? [...above, ...own] : [];
  return {
    path,
    description: command.description(),
    options: [...own, ...above, HELP],
    arguments: command.registeredArguments.map((argument) => ({
      ...readValue(argument.name(), argument.argChoices),
      description: argument.description,
      isRequired: argument.required,
      isVariadic: argument.variadic,
    })),
    commands: command.commands.map((each) => grammarOf(each, completions, `${path} ${each.name()}`.trim(), below)),
    passesThrough: completions.passThrough.includes(path),
  };
}

/** The command and all below it. */
export function everyCommand(grammar: Grammar): readonly Grammar[] {
  return [grammar, ...grammar.commands.flatMap(everyCommand)];
}

/** The last word of a command's path. */
export function lastWord({ path }: Grammar): string {
  return path.split(' ').at(-1) ?? '';
}

/** For any shell, whatever is in it. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
