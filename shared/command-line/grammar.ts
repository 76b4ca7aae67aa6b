/**
 * A command line as data: commands, options, arguments and the kind of each value. Read from the tree that the program
 * parses with, so completion offers nothing else. `bash.ts`, `zsh.ts` and `fish.ts` write the scripts.
 */

/** How a value is completed: `nothing`, `files`, `folders`, `programs`, or the name of one of the program's lists. */
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
  /** The words of the command, separated by blanks; empty for the program itself. */
  readonly path: string;
  readonly description: string;
  /** All options of the command, with those of the program if the command accepts them too. */
  readonly options: readonly OptionWords[];
  readonly arguments: readonly ArgumentWords[];
  readonly commands: readonly Grammar[];
  /** The words after the first argument belong to another program. */
  readonly passesThrough: boolean;
}

/** What a program adds to the tree about its values. */
export interface Completions {
  readonly program: string;
  /** Kinds by name of the value, or by command and name: `remove name`. */
  readonly kinds: Readonly<Record<string, Kind>>;
  /**
   * The program's lists: scripts for sh that print one word a line. They hold no single quotes and no backslashes, so
   * that every shell accepts them in single quotes.
   */
  readonly lists: Readonly<Record<string, string>>;
  /** The program's options are also accepted after its commands. */
  readonly optionsAnywhere: boolean;
  /** Commands whose words, from the first argument on, belong to another program. */
  readonly passThrough: readonly string[];
}

/** The part of a commander Command that is used here. */
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

/** The grammar of a program, or of the command at `path`. */
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

/** The command and all its subcommands, at any depth. */
export function everyCommand(grammar: Grammar): readonly Grammar[] {
  return [grammar, ...grammar.commands.flatMap(everyCommand)];
}

/** The last word of a command's path. */
export function lastWord({ path }: Grammar): string {
  return path.split(' ').at(-1) ?? '';
}

/** Quotes a text for any shell. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
