/**
 * What the programs say of themselves agrees: the trees that parse the command lines, the help, the manual pages and the
 * completions. A failure says what to write where.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { completions as clientCompletions } from '../../../client/cli/completions.ts';
import { EXAMPLES as clientExamples } from '../../../client/cli/examples.ts';
import { completions as serverCompletions } from '../../../server/program/completions.ts';
import { EXAMPLES as serverExamples } from '../../../server/program/examples.ts';
import { completionScript, SHELLS } from '../../../shared/command-line/completion.ts';
import { everyCommand, type Grammar, grammarOf, type OptionWords } from '../../../shared/command-line/grammar.ts';
import { clientProgram, commandsIn, parseCommand, serverProgram } from '../../support/client/command-lines.ts';
import { MANUAL as folder, parts, read, section } from '../../support/documents/manual-pages.ts';

/** Options as the manual writes them: `Fl d , Fl -delay Ar ms`. */
function itemOf({ words, value }: OptionWords): string {
  return `${words.map((word) => `Fl ${word.slice(1)}`).join(' , ')}${value === undefined ? '' : ` Ar ${value.name}`}`;
}

const programs = [
  {
    name: 'knock-otp',
    page: 'knock-otp.1',
    grammar: grammarOf(clientProgram(), clientCompletions),
    examples: clientExamples,
    folder: 'client',
    make: clientProgram,
    completions: clientCompletions,
  },
  {
    name: 'knock-otpd',
    page: 'knock-otpd.8',
    grammar: grammarOf(serverProgram(), serverCompletions),
    examples: serverExamples,
    folder: 'server',
    make: serverProgram,
    completions: serverCompletions,
  },
] as const;

/** That of the page for the program itself and for each command. */
function textOf(page: string, { path }: Grammar): string {
  if (path === '') return section(read(page), 'OPTIONS');
  return parts(section(read(page), 'COMMANDS'), '.Ss').get(path) ?? '';
}

/** The command that the manual describes by "the options above but -V". */
const SAME_AS_PROGRAM = 'knock';

/** What stands in the manual at this command: -h is described once, and so are the options of the whole program. */
function ownOptions(each: Grammar, program: Grammar, optionsAnywhere: boolean): readonly OptionWords[] {
  if (each === program) return each.options;
  if (each.path === SAME_AS_PROGRAM) {
    const above = program.options.filter(({ words }) => !words.includes('--version'));
    assert.deepEqual(each.options.map(itemOf), above.map(itemOf));
    return [];
  }
  const above = new Set(optionsAnywhere ? program.options.map(itemOf) : []);
  return each.options.filter((option) => !option.words.includes('--help') && !above.has(itemOf(option)));
}

for (const { name, page, grammar, examples, folder: sources, completions, make } of programs) {
  test(`${name}: the manual has every command, and no other`, () => {
    const want = everyCommand(grammar)
      .slice(1)
      .map(({ path }) => path);
    const seen = [...parts(section(read(page), 'COMMANDS'), '.Ss').keys()];
    for (const path of want.filter((each) => !seen.includes(each))) {
      const { description = '' } = everyCommand(grammar).find((each) => each.path === path) ?? {};
      assert.fail(
        `add to "Sh COMMANDS" of man/${page}:\n.Ss ${path}\n.D1 Nm Cm ${path} Op Ar options\n${description}.`,
      );
    }
    assert.deepEqual([...seen].sort(), [...want].sort(), `man/${page}`);
  });

  for (const each of everyCommand(grammar)) {
    const words = `${name} ${each.path}`.trim();

    test(`${words}: the manual has every option, and no other`, () => {
      const items = [...textOf(page, each).matchAll(/^\.It (Fl .*)$/gm)].map(([, item = '']) => item);
      const own = ownOptions(each, grammar, completions.optionsAnywhere);
      for (const option of own.filter((candidate) => !items.includes(itemOf(candidate)))) {
        const where = each.path === '' ? 'Sh OPTIONS' : `Ss ${each.path}`;
        assert.fail(`add to "${where}" of man/${page}:\n.It ${itemOf(option)}\n${option.description}.`);
      }
      assert.deepEqual([...items].sort(), own.map(itemOf).sort(), `man/${page}`);
      const texts = parts(textOf(page, each), '.It');
      for (const option of own) {
        const missing = (option.value?.choices ?? []).filter(
          (choice) => texts.get(itemOf(option))?.includes(choice) !== true,
        );
        assert.deepEqual(missing, [], `man/${page}, ".It ${itemOf(option)}", must name these`);
      }
    });

    test(`${words}: the help begins with examples, and each of them parses`, async () => {
      const rows = examples[each.path] ?? [];
      assert.ok(
        rows.length > 0,
        `add an example to ${sources}/examples.ts: '${each.path}': [['${words}', 'what it does']]`,
      );
      const help = everyHelp(make()).get(each.path)?.slice(0, 'Examples:'.length);
      assert.equal(help, 'Examples:');
      for (const [line] of rows) {
        const [command] = commandsIn(line);
        assert.ok(command !== undefined && command[0] === name, line);
        await parseCommand(command);
      }
    });

    test(`${words}: it is decided what completes each value`, () => {
      const values = [...each.options.flatMap(({ value }) => value ?? []), ...each.arguments];
      for (const { name: value, choices } of values) {
        const isSaid = [`${each.path} ${value}`.trim(), value].some((key) => Object.hasOwn(completions.kinds, key));
        assert.ok(
          isSaid || choices !== undefined,
          `add '${value}' to the kinds of ${sources}/completions.ts: 'files', 'folders', 'nothing' or one of its lists`,
        );
      }
    });
  }

  for (const shell of SHELLS) {
    test(`${name}: the completion for ${shell} has every command and every option`, () => {
      const script = completionScript(shell, make(), completions);
      for (const { path, options } of everyCommand(grammar)) {
        assert.ok(script.includes(path.split(' ').at(-1) ?? ''), path);
        for (const word of options.flatMap((option) => option.words)) {
          const written =
            shell !== 'fish' ? word : word.startsWith('--') ? `-l ${word.slice(2)}` : `-s ${word.slice(1)}`;
          assert.ok(script.includes(written), `${path} ${word}`);
        }
      }
      for (const list of Object.values(completions.lists)) {
        assert.doesNotMatch(list, /['\\]/, 'shells disagree about these between single quotes');
      }
    });
  }

  test(`${name}: what no command and no value has is in no table`, () => {
    const all = everyCommand(grammar);
    const paths = all.map(({ path }) => path);
    const values = new Set(
      all.flatMap(({ path, options, arguments: given }) =>
        [...options.flatMap(({ value }) => value ?? []), ...given].flatMap((value) => [
          value.name,
          `${path} ${value.name}`,
        ]),
      ),
    );
    const unknownKinds = Object.keys(completions.kinds).filter((key) => !values.has(key));
    assert.deepEqual(unknownKinds, [], `take these out of ${sources}/completions.ts`);
    const unknownExamples = Object.keys(examples).filter((path) => !paths.includes(path));
    assert.deepEqual(unknownExamples, [], `take these out of ${sources}/examples.ts`);
  });

  test(`${name}: the manual has every variable of the environment that is ours`, () => {
    const found = readdirSync(new URL(`../../../${sources}/`, import.meta.url), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .flatMap((file) => [
        ...readFileSync(new URL(`../../../${sources}/${file}`, import.meta.url), 'utf8').matchAll(
          /\bKNOCK_OTP_[A-Z_]+/g,
        ),
      ])
      .map(([variable]) => variable)
      // The build writes these into the single files.
      .filter((variable) => !['KNOCK_OTP_VERSION', 'KNOCK_OTP_SINGLE_FILE'].includes(variable));
    const said = [...section(read(page), 'ENVIRONMENT').matchAll(/\bEv (KNOCK_OTP_\w+)/g)].map(
      ([, variable]) => variable,
    );
    assert.deepEqual([...new Set(said)].sort(), [...new Set(found)].sort(), `"Sh ENVIRONMENT" of man/${page}`);
  });

  test(`${name}: every example of the manual parses`, async () => {
    const lines = parts(section(read(page), 'EXAMPLES'), '.Bd');
    assert.ok(lines.size > 0);
    const commands = commandsIn(section(read(page), 'EXAMPLES'));
    assert.ok(commands.length > 5);
    for (const command of commands) await parseCommand(command);
  });
}

/** What `--help` prints, by the words of the command. */
function everyHelp(program: ReturnType<typeof clientProgram>, path = ''): ReadonlyMap<string, string> {
  let text = '';
  program.configureOutput({
    writeOut: (part) => {
      text += part;
    },
  });
  program.outputHelp();
  const below = program.commands.flatMap((each) => [...everyHelp(each, `${path} ${each.name()}`.trim())]);
  return new Map([[path, text], ...below]);
}

test('every manual page is in the package, and one that is named is there', () => {
  const manifest = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
    readonly man: readonly string[];
    readonly files: readonly string[];
  };
  const pages = readdirSync(folder).sort();
  assert.deepEqual(
    [...manifest.man].sort(),
    pages.map((page) => `./man/${page}`),
  );
  assert.ok(manifest.files.includes('man'));
});

const has = (program: string) => spawnSync(program, ['--version']).error === undefined;

for (const page of readdirSync(folder)) {
  const path = fileURLToPath(new URL(page, folder));

  test(`mandoc finds nothing to say about ${page}`, { skip: has('mandoc') ? false : 'no mandoc here' }, () => {
    const { stdout } = spawnSync('mandoc', ['-T', 'lint', path], { encoding: 'utf8' });
    // Which other pages are installed is no matter of this one.
    const said = stdout.split('\n').filter((line) => line !== '' && !line.includes('referenced manual not found'));
    assert.deepEqual(said, []);
  });

  test(`groff finds nothing to say about ${page}`, { skip: has('groff') ? false : 'no groff here' }, () => {
    const { status, stderr } = spawnSync('groff', ['-mdoc', '-ww', '-z', path], { encoding: 'utf8' });
    assert.deepEqual([status, stderr], [0, '']);
  });
}
