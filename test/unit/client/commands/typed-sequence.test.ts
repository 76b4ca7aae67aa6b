/** The client without a profile: what must be true when the first packet leaves, and the output after it. */
import assert from 'node:assert/strict';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { knockAtHost } from '../../../../client/commands/knock-command.ts';
import type { KnockOptions } from '../../../../client/commands/knock-options.ts';
import { addProfile } from '../../../../client/commands/profile-commands.ts';
import type { Deps, SendOptions, SendReport } from '../../../../client/deps.ts';
import { parsePortWords } from '../../../../client/terminal/typed-words.ts';
import { KnockError } from '../../../../shared/errors.ts';
import { formatSequence } from '../../../../shared/knock.ts';
import { testDeps, testUri, testWorld, type World } from '../../../support/client/client-deps.ts';

interface Bench {
  readonly world: World;
  readonly deps: Deps;
  readonly outputs: { readonly stdout: string; readonly stderr: string };
  readonly file: string;
  text(): Promise<string>;
  run(ports: readonly string[], options?: KnockOptions): Promise<unknown>;
}

/** A world with a one-time file; `send` may read it, or change the result of sending. */
async function bench(
  context: TestContext,
  content: string,
  changes: Partial<World> = {},
  send?: (options: SendOptions, bench: Bench) => Promise<SendReport | undefined>,
): Promise<Bench> {
  const home = await mkdtemp(join(tmpdir(), 'knock-otp-given-'));
  context.after(() => rm(home, { recursive: true, force: true }));
  const file = join(home, 'list');
  await writeFile(file, content, { mode: 0o600 });
  const world = testWorld(changes);
  const { deps, outputs } = testDeps(world, home);
  const network: Deps['network'] = {
    ...deps.network,
    send: async (address, knocks, options) =>
      (await send?.(options, made)) ?? (await deps.network.send(address, knocks, options)),
  };
  const made: Bench = {
    world,
    deps,
    outputs,
    file,
    text: () => readFile(file, 'utf8'),
    run: async (ports, options = {}) =>
      await knockAtHost('bastion1', ports, options, { ...deps, network }).then(
        () => undefined,
        (error: unknown) => error,
      ),
  };
  return made;
}

function codeOf(error: unknown): string {
  assert.ok(error instanceof KnockError, String(error));
  return error.code;
}

test('when a line is taken then it is struck in the file before anything is sent', async (context) => {
  let atSending = '';
  const { run, file } = await bench(context, ' 1001,1002\n 1003,1004\n', {}, async (_, { text }) => {
    atSending ||= await text();
    return undefined;
  });
  assert.equal(await run([], { oneTime: file }), undefined);
  assert.equal(atSending, '#1001,1002\n 1003,1004\n');
});

test('when there is no way to the host then no line is struck', async (context) => {
  const { run, file, text, world } = await bench(context, ' 1001,1002\n', {
    routeErrors: new Map([['192.0.2.1', 'ENETUNREACH']]),
  });
  assert.equal(codeOf(await run([], { oneTime: file })), 'NETWORK');
  assert.equal(await text(), ' 1001,1002\n');
  assert.deepEqual(world.sent, []);
});

test('when the file cannot be struck then nothing is sent', async (context) => {
  const { run, file, world } = await bench(context, ' 1001,1002\n');
  await chmod(file, 0o644);
  assert.equal(codeOf(await run([], { oneTime: file })), 'INSECURE_FILE');
  assert.deepEqual(world.sent, []);
});

test('when the door stays shut then the line is sent again, and the error quotes nothing of it', async (context) => {
  const { run, file, world, outputs } = await bench(context, ' 1001,1002\n 1003,1004\n', { opensAfterPasses: 1e9 });
  const error = await run([], { oneTime: file, verify: 22 });
  assert.equal(codeOf(error), 'DOOR_CLOSED');
  assert.ok(world.sent.length > 1);
  assert.deepEqual([...new Set(world.sent)], ['192.0.2.1: 1001 1002']);
  assert.doesNotMatch(`${error}${(error as KnockError).hint}${outputs.stderr}`, /100[1-4]/);
});

test('when ports of the command line are verified and the door stays shut then they are sent once', async (context) => {
  const { run, world } = await bench(context, '', { opensAfterPasses: 1e9 });
  assert.equal(codeOf(await run(['1001', '1002'], { verify: 22 })), 'DOOR_CLOSED');
  assert.deepEqual(world.sent, ['192.0.2.1: 1001 1002']);
});

for (const [next, passes] of [
  ['1003,1001,1002', 1],
  ['1002', 1],
  ['1002:udp', 3],
  ['1003,1001,1004', 3],
] as const) {
  const how = passes === 1 ? 'once' : 'again';
  test(`when the line after 1001,1002,1003 is ${next} then the first is sent ${how}`, async (context) => {
    const { run, file, world } = await bench(context, ` 1001,1002,1003\n ${next}\n`);
    assert.equal(await run([], { oneTime: file }), undefined);
    assert.equal(world.sent.length, passes);
  });
}

test('when a part of the knocks cannot be sent then that is a failure', async (context) => {
  const { run } = await bench(context, '', {}, async () => ({ sent: 1, failures: ['EPERM'] }));
  const error = await run(['1001', '1002']);
  assert.equal(codeOf(error), 'NETWORK');
  assert.match(String(error), /1 of 2 knocks could not be sent to bastion1 \(192\.0\.2\.1\): EPERM/);
});

test('when nothing can be sent then that is a failure at once, verified or not', async (context) => {
  for (const options of [{}, { verify: 22 }]) {
    const { run, deps } = await bench(context, '', { sendFailure: 'EPERM' });
    assert.equal(codeOf(await run(['1001', '1002'], options)), 'NETWORK');
    assert.equal(deps.clock.monotonicMs(), 0);
  }
});

test('the knocks are sent in strict order, with the pause that is asked for', async (context) => {
  const seen: SendOptions[] = [];
  const { run } = await bench(context, '', {}, async (options) => {
    seen.push(options);
    return undefined;
  });
  await run(['1001', '1002']);
  await run(['1001', '1002'], { delay: 250 });
  assert.deepEqual(seen, [
    { order: 'strict', gapMs: 15 },
    { order: 'strict', gapMs: 250 },
  ]);
});

test('a delay that the door would not wait for is refused before a factor is spent', async (context) => {
  const { deps, world } = await bench(context, '');
  await addProfile(testUri(), {}, deps);
  await assert.rejects(knockAtHost('bastion1', [], { delay: 2000 }, deps), {
    code: 'USAGE',
    hint: 'the door "ssh" expects them within 10 s: at most --delay 1999',
  });
  assert.deepEqual(world.sent, []);
  await knockAtHost('bastion1', [], { delay: 1999 }, deps);
  assert.equal(world.sent.length, 1);
});

test('port words are those of knock(1): order and repetitions kept, -u for all', () => {
  assert.equal(
    formatSequence(parsePortWords(['9000', '7000:udp', '9000:tcp', '9000'], false)),
    '9000 7000:udp 9000 9000',
  );
  assert.equal(formatSequence(parsePortWords(['9000', '7000:tcp'], true)), '9000:udp 7000:udp');
});
