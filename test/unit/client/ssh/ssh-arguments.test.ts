/** `knock-otp ssh`: finds the destination in any command line that ssh accepts, and loses or changes no word. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { sshArguments } from '../../../../client/commands/ssh-command.ts';
import { proxyCommand } from '../../../../client/ssh/proxy-command.ts';
import { readSshWords } from '../../../../client/ssh/ssh-arguments.ts';
import { KnockError } from '../../../../shared/errors.ts';
import { testProfile } from '../../../support/client/client-deps.ts';

const stored = {
  name: 'work',
  path: '/p',
  profile: testProfile(),
  storage: { kind: 'plain', secret: testProfile().secret },
} as const;
const edges = { self: ['knock-otp'], owner: { platform: 'linux', uid: 1 } } as const;

const rows = [
  { words: 'host', host: 'host', why: 'nothing else' },
  { words: 'me@host uptime', host: 'host', why: 'a user' },
  { words: 'me@corp@host', host: 'host', why: 'ssh takes the last @' },
  { words: '-p 22 host', host: 'host', port: true, why: 'a value in the next word' },
  { words: '-p22 host', host: 'host', port: true, why: 'a value in the same word' },
  { words: '-vAtp 22 host', host: 'host', port: true, why: 'letters in one word, the last with a value' },
  { words: '-vp22 host', host: 'host', port: true, why: 'letters in one word, and the value' },
  { words: '-o Port=22 host', host: 'host', port: true, why: 'a long option' },
  { words: '-oport=22 host', host: 'host', port: true, why: 'a long option in one word, in any case' },
  { words: '-J jump host', host: 'host', why: 'a value that looks like a host' },
  { words: '-L 80:a:80 -N host -v', host: 'host', why: 'options behind the host too' },
  { words: 'host -p 22 cmd -p x', host: 'host', port: true, why: 'options of the remote command are not ours' },
  { words: 'host cmd -4', host: 'host', why: 'nor its letters' },
  { words: '-4 host', host: 'host', family: 4, why: 'a family' },
  { words: 'host -v6 -- cmd', host: 'host', family: 6, why: 'a family behind the host' },
  { words: '-- host -x', host: 'host', why: 'the end of options' },
  { words: 'ssh://me@host:2222', host: 'host', port: true, why: 'a URI' },
  { words: 'ssh://[2001:db8::1]/', host: '[2001:db8::1]', why: 'a URI with an address' },
  { words: '2001:db8::1', host: '2001:db8::1', why: 'an address' },
];

for (const { words, host, port = false, family, why } of rows) {
  test(`in "ssh ${words}" the host is ${host}: ${why}`, () => {
    const read = readSshWords(words.split(' '));
    assert.deepEqual([read.host, read.hasPort, read.family], [host, port, family]);
    assert.deepEqual([...read.before, read.destination, ...read.after, ...read.command], words.split(' '));
  });
}

for (const words of ['', '-v', '-p 22', '-p', '--', '-- -oProxyCommand=x']) {
  test(`when "ssh ${words}" has no host then nothing is run`, () => {
    assert.throws(
      () => readSshWords(words.split(' ').filter(Boolean)),
      (error) => error instanceof KnockError && error.code === 'USAGE',
    );
  });
}

test('whatever the words are, all of them reach ssh in their order, behind our own options', () => {
  const word = fc.oneof(fc.string(), fc.constantFrom('-p', '-v', '-o', '--', '-4', 'host', '$(x)', "a'b", '-tt'));
  fc.assert(
    fc.property(fc.array(word, { maxLength: 8 }), (words) => {
      let read: ReturnType<typeof readSshWords>;
      try {
        read = readSshWords(words);
      } catch (error) {
        assert.ok(error instanceof KnockError);
        return;
      }
      const [program, option, , ...rest] = sshArguments(read, stored, {}, edges);
      assert.deepEqual([program, option], ['ssh', '-o']);
      assert.deepEqual(rest.slice(rest.length - words.length), words);
    }),
  );
});

test('when the door opens another port than 22 then ssh is told, unless the user says one', () => {
  const profile = testProfile({ services: [{ protocol: 'tcp', port: 2222 }] });
  const argumentsOf = (words: string) =>
    sshArguments(readSshWords(words.split(' ')), { ...stored, profile }, {}, edges)
      .slice(3)
      .join(' ');
  assert.equal(argumentsOf('me@work -v cmd -p 5'), '-o HostName=192.0.2.1 me@work -v -o Port=2222 cmd -p 5');
  assert.equal(argumentsOf('work -p 22'), '-o HostName=192.0.2.1 work -p 22');
  assert.equal(argumentsOf('192.0.2.1'), '192.0.2.1 -o Port=2222');
});

test('when the program lies in an odd place then neither the shell nor ssh misreads its path', () => {
  const self = ['/opt/a b/node', "/x'y/%h/$(id)"];
  assert.equal(
    proxyCommand(self, stored, ['-4'], 'linux'),
    `'/opt/a b/node' '/x'\\''y/%%h/$(id)' -4 --door ssh --proxy work %p`,
  );
  assert.equal(proxyCommand(['k'], { ...stored, name: 'list' }, [], 'linux'), 'k knock --door ssh --proxy list %p');
});
