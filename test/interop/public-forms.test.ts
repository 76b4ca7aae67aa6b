/** The public forms of knockd.conf at `check`, and with the same packets at Debian's knockd and at knock-otpd. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatProblem } from '../../shared/errors.ts';
import { readText } from '../support/core/config-text.ts';
import { sourceAddress } from '../support/core/packet-script.ts';
import { BesideKnockd, type Side, skipWithoutPrograms } from '../support/host/beside-knockd.ts';
import { PUBLIC_FORMS, type PublicForm, STAND_INS } from './public-forms.ts';

const options = { skip: skipWithoutPrograms('tcpreplay'), timeout: 120_000 };
/** Writes its name and its words; a word with blanks in brackets. */
const STAND_IN = `line=$(basename "$0")
for word; do case $word in *\\ *) line="$line ($word)" ;; *) line="$line $word" ;; esac; done
echo "$line" >> /var/lib/said`;

for (const { title, doors, refused, warns } of PUBLIC_FORMS) {
  test(`check of ${title}: ${refused === undefined ? 'it runs' : 'it is refused, with the reason'}`, () => {
    const { problems, warnings } = readText(doors);
    const said = problems.map((problem) => formatProblem(problem));
    assert.equal(problems.length, refused === undefined ? 0 : 1, said.join('\n'));
    if (refused !== undefined) {
      assert.match(problems[0]?.message ?? '', refused.says);
      assert.match(problems[0]?.hint ?? '', refused.hint);
    }
    const told = warnings.map((warning) => warning.message).join('\n');
    if (warns === undefined) assert.doesNotMatch(told, /no client|%IP%/);
    else assert.match(told, warns);
  });
}

/** As published for knockd; a form that is refused for its shell has one at ours. */
function configFor(side: Side, forms: readonly PublicForm[]): string {
  const doors = forms.map(({ doors: text, refused }) =>
    side.name === 'ours' && refused !== undefined ? `${text}shell = yes\n` : text,
  );
  return `[options]\n\tUseSyslog\n\n${doors.join('\n')}`;
}

/** What the stand-ins wrote of the forms' sources, with `IP` in place of these. */
async function calls(side: Side): Promise<readonly string[]> {
  const sources = [sourceAddress('A', 0), sourceAddress('A6', 0)];
  return (await side.said())
    .map((line) => line.split(' ').map((word) => sources.reduce((text, source) => text.replace(source, 'IP'), word)))
    .map((words) => words.join(' '));
}

/** More doors would make a filter of knockd that the kernel does not take. */
const GROUP = 5;
const running = PUBLIC_FORMS.filter(({ send }) => send !== undefined);

for (let from = 0; from < running.length; from += GROUP) {
  const forms = running.slice(from, from + GROUP);
  test(
    `public forms ${from + 1} to ${from + forms.length} call the same programs with the same words`,
    options,
    async (t) => {
      await using both = await BesideKnockd.create();
      for (const name of STAND_INS) await both.putProgram(`sbin/${name}`, STAND_IN);
      for (const { lines } of forms) if (lines !== undefined) await both.put('lines', lines);
      for (const side of both.sides) {
        await both.configure(configFor(side, forms));
        await side.start(both.config);
      }
      for (const { title, send = '', calls: expected = [] } of forms) {
        await t.test(title, async () => {
          const before = await Promise.all(both.sides.map(async (side) => (await calls(side)).length));
          await both.send(send);
          assert.deepEqual(await both.barrier(), []);
          for (const [at, side] of both.sides.entries()) {
            const since = async () => (await calls(side)).slice(before[at]);
            await side.sees(async () => (await since()).length >= expected.length);
            assert.deepEqual(await since(), expected, side.name);
          }
        });
      }
    },
  );
}
