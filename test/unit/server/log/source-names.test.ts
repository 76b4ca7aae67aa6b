import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sourceNames } from '../../../../server/log/source-names.ts';
import { address } from '../../../support/core/doors.ts';

const SOURCE = address('192.0.2.7');

const answers: readonly { names: string[]; wants: string | undefined; why: string }[] = [
  { names: ['host.example.org'], wants: 'host.example.org', why: 'a name' },
  { names: ['a_b-c.example', 'second.example'], wants: 'a_b-c.example', why: 'the first of several' },
  { names: [], wants: undefined, why: 'none' },
  { names: ['evil\n192.0.2.9: openSSH: OPEN SESAME'], wants: undefined, why: 'a line of its own' },
  { names: ['\u001b[2Jx'], wants: undefined, why: 'an escape for a terminal' },
  { names: ['a b'], wants: undefined, why: 'a blank would be two fields' },
  { names: ['-oProxyCommand=x'], wants: undefined, why: 'an option to tools' },
  { names: [`${'a'.repeat(300)}.example`], wants: undefined, why: 'longer than a name can be' },
];

for (const { names, wants, why } of answers) {
  test(`when a name server answers ${JSON.stringify(names).slice(0, 40)} then the log gets ${wants} (${why})`, async () => {
    assert.equal(await sourceNames(async () => names)(SOURCE), wants);
  });
}

test('when a name server refuses then there is no name, and nothing is thrown', async () => {
  assert.equal(await sourceNames(() => Promise.reject(new Error('SERVFAIL')))(SOURCE), undefined);
});

test('when many sources are asked for at once then further ones have no name, until answers came', async () => {
  let asked = 0;
  let answer: () => void = () => {};
  const all = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const nameOf = sourceNames(async (text) => {
    asked += 1;
    await all;
    return [`host-${text.split('.').at(-1)}`];
  });
  const names = Array.from({ length: 100 }, (_, at) => nameOf(address(`192.0.2.${at + 1}`)));
  assert.equal(asked, 16);
  answer();
  assert.equal((await Promise.all(names)).filter((name) => name !== undefined).length, 16);
  assert.equal(await nameOf(SOURCE), 'host-7');
});
