/** What users of knockd write in [options] and at doors that is read as there, or refused with the right thing to write. */
import assert from 'node:assert/strict';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { checkReport } from '../../../../server/config/check/check-report.ts';
import { loadServer } from '../../../../server/config/load-server.ts';
import { formatProblem, KnockError } from '../../../../shared/errors.ts';
import { type ConfigDirectory, configDirectory, readText } from '../../../support/core/config-text.ts';

const DOOR = '[d]\nsequence = 7001,7003,7002\ntcpflags = syn\ncommand = true %IP%\n';

async function fresh(context: TestContext, doors = DOOR): Promise<ConfigDirectory> {
  const directory = await configDirectory(doors);
  context.after(() => directory.remove());
  return directory;
}

async function refusal(directory: ConfigDirectory): Promise<{ code: string; lines: readonly string[] }> {
  try {
    await loadServer(directory.file);
  } catch (error) {
    if (error instanceof KnockError) {
      return { code: error.code, lines: error.problems.map((problem) => formatProblem(problem)) };
    }
    throw error;
  }
  throw new Error('it was not refused');
}

test('when there are several [options] then they are one, wherever they stand', () => {
  const { config, problems } = readText(
    `[options]\ninterface = eth0\n${DOOR}[OPTIONS]\nlogfile = /var/log/a\n[options]\nserver_id = b1\n`,
  );
  assert.deepEqual(problems, []);
  assert.deepEqual(
    [config.interfaces, config.logFile, config.serverId, config.doors.length],
    [['eth0'], '/var/log/a', 'b1', 1],
  );
});

test('when a key is in two [options] then the second is a problem, and says where the first is', () => {
  const { problems } = readText(`[options]\ninterface = eth0\n[options]\nInterface = eth1\n${DOOR}`);
  assert.deepEqual(
    problems.map((problem) => formatProblem(problem)),
    ['4: [options] Interface: this key is already at line 2 of the section (hint: keep one of the two)'],
  );
});

test('when a door stands twice then that stays a problem', () => {
  assert.match(readText(`${DOOR}${DOOR}`).problems[0]?.message ?? '', /this section is already at line 1/);
});

test('when comments are not UTF-8 then they are read, and a warning names the lines', async (context) => {
  const directory = await fresh(context);
  const latin1 = `# T\u00fcr\n[options]\nserver_id = b1\ninterface = lo\n\t # \u00e4\r\n${DOOR}`;
  await writeFile(directory.file, Buffer.from(latin1, 'latin1'));
  const { config, warnings } = await loadServer(directory.file);
  assert.equal(config.serverId, 'b1');
  assert.equal(
    formatProblem(warnings[0] ?? assert.fail(), 'f'),
    'f:1: the comment is not UTF-8 text, nor are those at line 5',
  );
});

test('when anything else is not UTF-8 then it is refused with its line', async (context) => {
  const directory = await fresh(context);
  for (const line of ['logfile = /var/log/T\u00fcr', '[T\u00fcr]', 'interface = lo # \u00fc']) {
    await writeFile(directory.file, Buffer.from(`# \u00fc\n[options]\n${line}\n${DOOR}`, 'latin1'));
    const { lines } = await refusal(directory);
    assert.match(lines[0] ?? '', /^3: the line is not UTF-8 text/);
  }
});

test('when a comment of a client file is not UTF-8 then it is read too, and the warning names file and line', async (context) => {
  const directory = await fresh(context, '[ssh]\notp = totp\nopen = nftables tcp/22\n');
  const text = '[ssh]\nsecret = GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\n';
  const path = await directory.putClient('a.client', text);
  await writeFile(path, Buffer.from(`${text}# \u00fc\n`, 'latin1'));
  const { enrolments, warnings } = await loadServer(directory.file);
  assert.equal(enrolments.length, 1);
  assert.ok(warnings.some((warning) => formatProblem(warning).startsWith(`${path}:3: the comment is not UTF-8`)));
});

for (const [flags, isWarned] of [
  ['syn,ack', true],
  ['fin,!ack', true],
  ['!syn', true],
  ['ack', true],
  ['syn', false],
  ['syn,!ack', false],
  ['!fin', false],
] as const) {
  test(`when tcpflags is ${flags} then check ${isWarned ? 'says that no client knocks so' : 'has nothing to say'}`, () => {
    const { warnings, problems } = readText(DOOR.replace('syn', flags));
    assert.deepEqual(problems, []);
    const said = warnings.filter(({ key, message }) => key === 'tcpflags' && message.startsWith('no client knocks so'));
    assert.equal(said.length, isWarned ? 1 : 0);
  });
}

test('when all knocks are UDP then flags do not matter', () => {
  const text = '[d]\nsequence = 1:udp,2:udp,3:udp\ntcpflags = syn,ack\ncommand = true %IP%\n';
  assert.ok(!readText(text).warnings.some(({ message }) => message.startsWith('no client')));
});

for (const [name, right] of [
  ['eth0:0', 'eth0'],
  ['br-lan:guest', 'br-lan'],
  ['lo, eth0.5:1', 'eth0.5'],
] as const) {
  test(`when the interface is ${name} then check says to write ${right}`, () => {
    const { problems } = readText(`[options]\ninterface = ${name}\n${DOOR}`);
    assert.equal(problems.length, 1);
    assert.match(problems[0]?.message ?? '', /:.*is not the name of an interface/);
    assert.ok(problems[0]?.hint?.startsWith(`write ${right},`), problems[0]?.hint);
    const option = readText(DOOR, { interfaceOverride: name });
    assert.equal(option.problems[0]?.key, '-i');
  });
}

test('when the interface is a group of packets then it is taken', () => {
  assert.deepEqual(readText(`[options]\ninterface = nflog:5\n${DOOR}`).problems, []);
  assert.equal(readText(`[options]\ninterface = nflog:x\n${DOOR}`).problems.length, 1);
});

for (const mode of [0o620, 0o602, 0o664]) {
  test(`when the configuration has mode ${mode.toString(8)} then it is refused with the remedy`, async (context) => {
    const directory = await fresh(context);
    await chmod(directory.file, mode);
    const { code, lines } = await refusal(directory);
    assert.equal(code, 'INSECURE_FILE');
    assert.match(lines[0] ?? '', /^(its group|others) can .*\(hint: chmod go-w\)$/);
  });
}

for (const mode of [0o770, 0o720, 0o702]) {
  test(`when the directory of clients has mode ${mode.toString(8)} then it is refused with the remedy`, async (context) => {
    const directory = await fresh(context);
    await chmod(directory.clientsDir, mode);
    const { code, lines } = await refusal(directory);
    assert.equal(code, 'INSECURE_FILE');
    assert.match(lines[0] ?? '', /(its group|others) can .*\(hint: chmod go-w\)$/);
  });
}

test('when lines of a one-time file repeat then each sequence counts once, and check names the others', async (context) => {
  const directory = await fresh(context, '');
  await mkdir(join(directory.root, 'lists'), { mode: 0o700 });
  const list = join(directory.root, 'lists', 'list');
  await writeFile(list, ' 7001,7003\n7001 , 7003:tcp\n#7005,7007\n 7005,7007\n 7009,7011\n', { mode: 0o600 });
  const text = `[options]\nserver_id = b\ninterface = lo\n[d]\none_time_sequences = ${list}\ntcpflags = syn\ncommand = true %IP%\n`;
  await writeFile(directory.file, text, { mode: 0o600 });
  const loaded = await loadServer(directory.file);
  const [door] = checkReport(loaded).doors;
  assert.equal(door !== undefined && 'left' in door ? door.left : undefined, 2);
  assert.deepEqual(
    loaded.warnings.filter(({ file }) => file === list).map(({ line, message }) => [line, message]),
    [2, 4].map((line) => [line, 'this line is not used: it repeats an earlier one']),
  );
});
