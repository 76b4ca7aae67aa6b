/** A command line as data, examples in a help, and what a stream can show. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Command } from 'commander';
import { addExamples } from '../../../../shared/command-line/examples.ts';
import { everyCommand, type Grammar, grammarOf, lastWord, quoted } from '../../../../shared/command-line/grammar.ts';
import { canColor, canDraw } from '../../../../shared/command-line/terminal.ts';
import { smallCompletions, smallProgram } from '../../../support/client/small-program.ts';

function commandAt(grammar: Grammar, path: string): Grammar {
  const found = everyCommand(grammar).find((each) => each.path === path);
  assert(found !== undefined, path);
  return found;
}

const wordsOf = ({ options }: Grammar) => options.map(({ words }) => words.join(' '));

describe('the grammar of a program', () => {
  const grammar = grammarOf(smallProgram(), smallCompletions);
  const everywhere = ['-q', '-c --config', '--for', '--tea', '-h --help'];

  test('has every command below it, by its words', () => {
    assert.deepEqual(
      everyCommand(grammar).map(({ path, description }) => [path, description]),
      [
        ['', 'makes tea'],
        ['shelf', "where the cook's cups are"],
        ['shelf take', 'from the shelf'],
        ['shelf put', 'onto it'],
        ['run', 'a program'],
      ],
    );
    assert.deepEqual(everyCommand(grammar).map(lastWord), ['', 'shelf', 'take', 'put', 'run']);
  });

  test('has the options of the whole program at every command, behind its own, and none that is hidden', () => {
    assert.deepEqual(wordsOf(grammar), everywhere);
    assert.deepEqual(wordsOf(commandAt(grammar, 'shelf')), everywhere);
    assert.deepEqual(wordsOf(commandAt(grammar, 'shelf take')), ['--into', ...everywhere]);
    assert.deepEqual(wordsOf(commandAt(grammar, 'run')), ['--again', ...everywhere]);
  });

  test('has them only at the program where commands do not take them', () => {
    const apart = grammarOf(smallProgram(), { ...smallCompletions, optionsAnywhere: false });
    assert.deepEqual(wordsOf(apart), everywhere);
    assert.deepEqual(wordsOf(commandAt(apart, 'shelf')), ['-h --help']);
    assert.deepEqual(wordsOf(commandAt(apart, 'shelf take')), ['--into', '-h --help']);
  });

  test('says what each value is: by command and name, by name, by its choices, or nothing that can be offered', () => {
    const values = commandAt(grammar, '').options.map(({ description, value }) => [description, value]);
    assert.deepEqual(values, [
      ['quietly', undefined],
      ['what it is to do', { name: 'file', kind: 'files' }],
      ['not [longer]', { name: 'minutes', kind: 'nothing' }],
      ['which tea: any\\all', { name: 'kind', kind: 'nothing', choices: ['assam', 'green'] }],
      ['show this help', undefined],
    ]);
    assert.equal(commandAt(grammar, 'shelf take').arguments[0]?.kind, 'cups');
    const { 'shelf take name': _, ...others } = smallCompletions.kinds;
    const unsaid = grammarOf(smallProgram(), { ...smallCompletions, kinds: { ...others, 'shelf put name': 'files' } });
    assert.equal(commandAt(unsaid, 'shelf take').arguments[0]?.kind, 'nothing');
  });

  test('says which arguments must be there, which repeat, and whose words are another program', () => {
    assert.deepEqual(grammar.arguments, [
      { name: 'cup', kind: 'cups', description: 'the first', isRequired: false, isVariadic: false },
      { name: 'more', kind: 'cups', description: '', isRequired: false, isVariadic: true },
    ]);
    const [where] = commandAt(grammar, 'shelf put').arguments;
    assert.deepEqual([where?.isRequired, where?.choices], [true, ['top', 'low']]);
    const through = everyCommand(grammar).filter(({ passesThrough }) => passesThrough);
    assert.deepEqual(through.map(lastWord), ['run']);
  });

  test('reads a value that may be left out, and takes no name from the middle of a flag', () => {
    const program = new Command('p').option('--when [time]', 'a').option('--x<y', 'b').option('--all [names...]', 'c');
    const { options } = grammarOf(program, { ...smallCompletions, optionsAnywhere: false });
    assert.deepEqual(
      options.map(({ value }) => value?.name),
      ['time', undefined, 'names...', undefined],
    );
  });
});

test('when a text is quoted for a shell then nothing in it ends the quotes', () => {
  assert.equal(quoted("it's $HOME"), "'it'\\''s $HOME'");
  assert.equal(quoted("''"), "''\\'''\\'''");
  assert.equal(quoted(''), "''");
});

describe('examples in a help', () => {
  function helpOf(command: Command): string {
    let text = '';
    command.configureOutput({
      writeOut: (part) => {
        text += part;
      },
    });
    command.outputHelp();
    return text;
  }
  const atColumn80 = 'x'.repeat(80 - 2 - 'tea-pot blue'.length - 2);

  test('stand before all else, what they do beside them where there is room in 80 columns', () => {
    const program = smallProgram();
    addExamples(program, {
      '': [
        ['tea-pot blue', atColumn80],
        ['tea-pot', ''],
      ],
    });
    assert(
      helpOf(program).startsWith(`Examples:\n  tea-pot blue  ${atColumn80}\n  tea-pot\n\nUsage: `),
      helpOf(program),
    );
  });

  test('have what they do below them, all of them, where one has no room', () => {
    const program = smallProgram();
    addExamples(program, {
      '': [
        ['tea-pot blue', `${atColumn80}x`],
        ['tea-pot', 'makes tea'],
      ],
    });
    const want = `Examples:\n  tea-pot blue\n      ${atColumn80}x\n  tea-pot\n      makes tea\n\nUsage: `;
    assert(helpOf(program).startsWith(want), helpOf(program));
  });

  test('are those of each command, by its words; a command without has no title of them', () => {
    const program = smallProgram();
    addExamples(program, { 'shelf take': [['tea-pot shelf take blue', 'takes it']] });
    const [shelf, run] = program.commands;
    const take = shelf?.commands[0];
    assert(shelf && run && take);
    assert(helpOf(take).startsWith('Examples:\n  tea-pot shelf take blue  takes it\n\nUsage: '), helpOf(take));
    for (const other of [program, shelf, run]) assert(helpOf(other).startsWith('Usage: '), helpOf(other));
  });

  test('pad the shorter lines to the longest', () => {
    const program = smallProgram();
    addExamples(program, {
      run: [
        ['a', 'one'],
        ['bcd', 'two'],
      ],
    });
    assert(helpOf(program.commands[1] as Command).startsWith('Examples:\n  a    one\n  bcd  two\n\n'));
  });
});

describe('what a stream can show', () => {
  const rows: readonly [string, { isTTY?: boolean }, Record<string, string>, draws: boolean, colors: boolean][] = [
    ['a terminal', { isTTY: true }, { TERM: 'xterm' }, true, true],
    ['a terminal of no kind', { isTTY: true }, {}, true, true],
    ['a terminal that prints every byte', { isTTY: true }, { TERM: 'dumb' }, false, false],
    ['a terminal whose user wants no colours', { isTTY: true }, { NO_COLOR: '1' }, true, false],
    ['an empty NO_COLOR, which says nothing', { isTTY: true }, { NO_COLOR: '' }, true, true],
    ['a file', { isTTY: false }, { TERM: 'xterm' }, false, false],
    ['a pipe, of which Node says nothing', {}, { TERM: 'xterm' }, false, false],
  ];
  for (const [what, stream, env, draws, colors] of rows) {
    test(`${what}: ${draws ? 'can' : 'cannot'} be drawn on, ${colors ? 'colours' : 'no colours'}`, () => {
      assert.deepEqual([canDraw(stream, env), canColor(stream, env)], [draws, colors]);
    });
  }
});
