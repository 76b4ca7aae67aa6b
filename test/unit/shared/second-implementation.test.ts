/** SPEC sections 4 and 8: an implementation written from the page alone agrees with the product. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { allowedPorts, parsePortRanges } from '../../../shared/allowed-ports.ts';
import { derivationKey, deriveSequence } from '../../../shared/derive.ts';
import { formatProfileUri, type Profile, profileShape } from '../../../shared/formats/profile-uri.ts';
import { formatKnock } from '../../../shared/knock.ts';
import { Secret } from '../../../shared/secret.ts';
import {
  factorArbitrary,
  nameArbitrary,
  secretBytesArbitrary,
  shapeArbitrary,
} from '../../support/core/arbitraries.ts';
import { specAttempt, specSequence } from '../../support/core/spec-client.ts';
import { sequenceVectors } from '../../support/core/vectors.ts';

const repository = new URL('../../../', import.meta.url);
const spec = readFileSync(new URL('docs/SPEC.md', repository), 'utf8');

describe('the second implementation', () => {
  test('shares no code with the product', () => {
    const source = readFileSync(new URL('test/support/core/spec-client.ts', repository), 'utf8');
    const imports = [...source.matchAll(/from '([^']+)'/g)].map((match) => match[1]);
    assert.deepEqual(imports, ['node:crypto']);
  });

  for (const vector of sequenceVectors.vectors) {
    test(`agrees with every intermediate value of: ${vector.name}`, () => {
      const { prkHex, infoHex, okmHex, allowedPorts: count, limit, draws, sequence } = vector;
      assert.deepEqual(specSequence(vector), { prkHex, infoHex, okmHex, allowedPorts: count, limit, draws, sequence });
    });
  }

  for (const vector of sequenceVectors.attempts) {
    test(`agrees with the ${vector.name}`, () => {
      assert.deepEqual(specAttempt(vector), vector.knocking);
    });
  }

  test('agrees with the product on random inputs', () => {
    const input = fc.record({
      secret: secretBytesArbitrary,
      server: nameArbitrary,
      door: nameArbitrary,
      client: nameArbitrary,
      mode: fc.constantFrom('totp' as const, 'hotp' as const),
      factor: factorArbitrary,
      shape: shapeArbitrary,
    });
    fc.assert(
      fc.property(input, ({ secret, server, door, client, mode, factor, shape }) => {
        const ports = allowedPorts(parsePortRanges(shape.ports), parsePortRanges(shape.exclude));
        const { knocks, protocols } = shape;
        const key = derivationKey(Secret.fromBytes(secret));
        const product = deriveSequence(key, { server, door, client, mode }, factor, { knocks, ports, protocols });
        const secretHex = Buffer.from(secret).toString('hex');
        const second = specSequence({ secretHex, server, door, client, mode, factor, ...shape });
        assert.deepEqual(product.map(formatKnock), second?.sequence);
      }),
      { numRuns: 300 },
    );
  });
});

describe('the page itself', () => {
  test('the worked example is the vector that it names', () => {
    const name = /Vector "([^"]+)"/.exec(spec)?.[1];
    const vector = sequenceVectors.vectors.find((candidate) => candidate.name === name);
    assert.ok(vector !== undefined);
    assert.ok(spec.includes(`The sequence is \`${vector.sequence.join(' ')}\`.`));
    assert.ok(spec.includes(vector.prkHex));
    for (const draw of vector.draws) assert.match(spec, new RegExp(`\\| ${draw.value} +\\|`));
  });

  test('the vectors file is what scripts/gen-vectors makes', async () => {
    const run = promisify(execFile);
    await run(process.execPath, ['--import', 'tsx', 'scripts/gen-vectors.ts', '--check'], { cwd: repository });
  });
});

describe('the client in section 8', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'knock-otp-spec-'));
  const program = join(scratch, 'knock.mjs');
  after(() => rmSync(scratch, { recursive: true, force: true }));
  const block = /<!-- test: spec-client -->\n```js\n([\s\S]*?)```/.exec(spec)?.[1] ?? '';
  writeFileSync(program, block);

  test('has no more lines than a stranger is promised, none of them crammed', () => {
    const lines = block.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('import'));
    assert.ok(lines.length > 20 && lines.length <= 30, `${lines.length} lines`);
    assert.ok(spec.includes('30 lines after the imports'));
    const crammed = lines.filter((line) => line.length > 120 || /;\s*\S/.test(line.replace(/for \(.*?\) \{/, '')));
    assert.deepEqual(crammed, []);
  });

  const profile: Profile = {
    server: 'bastion',
    door: 'ssh',
    client: 'laptop',
    mode: 'hotp',
    secret: Secret.fromBytes(Buffer.from('12345678901234567890')),
    knocks: 5,
    range: parsePortRanges('47310-47321'),
    exclude: parsePortRanges('47313,47319-47320'),
    protocols: 'both',
    order: 'any',
    step: 0,
    window: 0,
    counter: 7,
    seqTimeout: 10,
    services: [],
  };
  const expectedAt = (factor: number) => {
    const sequence = deriveSequence(derivationKey(profile.secret), profile, factor, profileShape(profile));
    return sequence.map(formatKnock);
  };

  test('knocks the derived sequence in order, never the same factor twice', { timeout: 20_000 }, async () => {
    const heard: string[] = [];
    const closers: (() => void)[] = [];
    after(() => {
      for (const close of closers) close();
    });
    for (const port of profileShape(profile).ports) {
      const server = createServer((socket) => {
        heard.push(`${port}`);
        socket.on('error', () => {});
        socket.destroy();
      });
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
      closers.push(() => server.close());
      const udp = createSocket('udp4', () => heard.push(`${port}:udp`));
      udp.bind(port, '127.0.0.1');
      await once(udp, 'listening');
      closers.push(() => udp.close());
    }
    const state = join(scratch, 'factor');
    for (const factor of [7, 8]) {
      heard.length = 0;
      const child = spawn(process.execPath, [program, state, '127.0.0.1'], { stdio: ['pipe', 'ignore', 'inherit'] });
      child.stdin.end(`${formatProfileUri(profile)}\n`);
      const [code] = (await once(child, 'exit')) as [number | null];
      assert.equal(code, 0);
      while (heard.length < profile.knocks) await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual(heard, expectedAt(factor));
      assert.equal(readFileSync(state, 'utf8'), `${factor}\n`);
    }
  });

  test('sends nothing when it cannot record the factor first', async () => {
    const child = spawn(process.execPath, [program, join(scratch, 'absent', 'factor'), '127.0.0.1'], {
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    child.stdin.end(formatProfileUri(profile));
    const [code] = (await once(child, 'exit')) as [number | null];
    assert.equal(code, 1);
  });
});
