import assert from 'node:assert/strict';
import { chmod, mkdir, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { configFolder, isBroken, type ProfileStore, profileStore } from '../../../../client/profiles/profile-store.ts';
import { KnockError } from '../../../../shared/errors.ts';
import { Secret } from '../../../../shared/secret.ts';
import { inHome, MARKER_SECRET, testProfile, testUri } from '../../../support/client/client-deps.ts';

const owner = { platform: process.platform, uid: process.getuid?.() };

function withStore(body: (store: ProfileStore, config: string) => Promise<void>): Promise<void> {
  return inHome((home) => body(profileStore(join(home, 'knock-otp'), owner), join(home, 'knock-otp')));
}

function withCode(code: string) {
  return (error: unknown) => {
    assert.ok(error instanceof KnockError);
    assert.equal(error.code, code);
    assert.ok(!`${error.message} ${error.hint}`.includes(MARKER_SECRET));
    return true;
  };
}

async function handMade(store: ProfileStore, file: string, text: string, mode = 0o600): Promise<string> {
  await mkdir(store.folder, { recursive: true, mode: 0o700 });
  const path = join(store.folder, file);
  await writeFile(path, text, { mode });
  await chmod(path, mode);
  return path;
}

test('when a profile is added then file and folders are for the owner only', async () => {
  await withStore(async (store, config) => {
    assert.equal(await store.add('b1', testProfile()), 'added');
    const { path } = await store.find('b1', undefined);
    const modes = await Promise.all([config, store.folder, path].map(async (each) => (await stat(each)).mode & 0o777));
    assert.deepEqual(modes, [0o700, 0o700, 0o600]);
  });
});

for (const typed of ['b1', 'B1', 'bastion.example.org', 'Bastion.Example.Org.', '2001:db8:0:0::1', '[2001:db8::1]']) {
  test(`when ${typed} is typed then the profile of that name, host or address is found`, async () => {
    await withStore(async (store) => {
      await store.add('b1', testProfile({ host: 'bastion.example.org' }));
      await store.add('b2', testProfile({ door: 'six', host: '2001:db8::1' }));
      const found = await store.find(typed, undefined);
      assert.equal(found.name, typed.includes('2001') ? 'b2' : 'b1');
    });
  });
}

test('when a host has two doors then HOST alone is an error that lists them, and --door chooses', async () => {
  await withStore(async (store) => {
    await store.add('b1', testProfile());
    await store.add('b1', testProfile({ door: 'web' }));
    await assert.rejects(store.find('b1', undefined), (error) => {
      assert.match((error as Error).message, /ssh.*web/);
      return withCode('USAGE')(error);
    });
    assert.equal((await store.find('b1', 'web')).profile.door, 'web');
    await assert.rejects(store.find('b1', 'mail'), withCode('PROFILE_MISSING'));
  });
});

test('when a profile is added again with another host then it is replaced, with another secret refused', async () => {
  await withStore(async (store) => {
    await store.add('b1', testProfile());
    assert.equal(await store.add('b1', testProfile({ host: '192.0.2.99' })), 'replaced');
    assert.equal((await store.find('b1', undefined)).profile.host, '192.0.2.99');
    const other = Secret.fromBytes(new Uint8Array(20));
    await assert.rejects(store.add('b1', testProfile({ secret: other })), withCode('USAGE'));
  });
});

for (const mode of [0o644, 0o640, 0o604, 0o660]) {
  test(`when a profile has mode ${mode.toString(8)} then it is refused`, async () => {
    await withStore(async (store) => {
      await handMade(store, 'b1@ssh.profile', testUri(), mode);
      await assert.rejects(store.find('b1', undefined), withCode('INSECURE_FILE'));
    });
  });
}

test('when a symbolic link points at a readable file then it is refused, at a private one it is read', async () => {
  await withStore(async (store, config) => {
    await handMade(store, 'x.profile', testUri());
    const target = join(config, 'elsewhere');
    await writeFile(target, testUri(), { mode: 0o644 });
    await symlink(target, join(store.folder, 'b1.profile'));
    await assert.rejects(store.find('b1', undefined), withCode('INSECURE_FILE'));
    await chmod(target, 0o600);
    assert.equal((await store.find('b1', undefined)).profile.door, 'ssh');
  });
});

test('when others can write into the folder of profiles then none is read', async () => {
  await withStore(async (store) => {
    await store.add('b1', testProfile());
    await chmod(store.folder, 0o777);
    await assert.rejects(store.find('b1', undefined), withCode('INSECURE_FILE'));
  });
});

const INI = `# by hand
server = bastion1
door = ssh
client = laptop
secret = ${MARKER_SECRET}
knocks = 6
ports = 1024-65535
timeout = 10
period = 30
window = 1
open = tcp/22
`;

test('when a profile is INI then it means the same as the URI', async () => {
  await withStore(async (store) => {
    await handMade(store, 'b1.profile', INI);
    const { profile, storage } = await store.find('b1', undefined);
    assert.deepEqual([profile.server, profile.mode, profile.knocks], ['bastion1', 'totp', 6]);
    assert.equal(storage.kind === 'plain' && storage.secret.toBase32(), MARKER_SECRET);
  });
});

const bad: readonly [string, string][] = [
  ['is empty', ''],
  ['is a URI of another kind', 'https://example.org/'],
  ['is an authenticator URI without knock-otp parameters', `otpauth://totp/x?secret=${MARKER_SECRET}&issuer=x`],
  ['holds two URIs', `${testUri()}\n${testUri()}`],
  ['has a key twice', `${INI}knocks = 5\n`],
  ['has a key that is unknown', `${INI}${MARKER_SECRET} = 5\n`],
  ['has a section', `[ssh]\n${INI}`],
  ['has a line without a value', `${INI}host\n`],
  ['has the key __proto__', `${INI}__proto__ = x\n`],
  ['has a secret that is too short', INI.replace(MARKER_SECRET, 'GEZDGNBV')],
];
for (const [what, text] of bad) {
  test(`when a profile ${what} then it is refused without its secret in the message`, async () => {
    await withStore(async (store) => {
      await handMade(store, 'b1.profile', text);
      await assert.rejects(store.find('b1', undefined), withCode('PROFILE_INVALID'));
      const [entry] = await store.list();
      assert.ok(entry !== undefined && isBroken(entry));
    });
  });
}

test('when one profile is broken then the others still work', async () => {
  await withStore(async (store) => {
    await store.add('b1', testProfile());
    await handMade(store, 'b0.profile', 'nonsense');
    assert.equal((await store.find('192.0.2.1', undefined)).name, 'b1');
    await assert.rejects(store.find('elsewhere', undefined), /1 cannot be read/);
  });
});

test('when a profile is removed then it is gone, and removing it again says so', async () => {
  await withStore(async (store) => {
    await store.add('b1', testProfile());
    await store.remove('b1', undefined);
    await assert.rejects(store.find('b1', undefined), withCode('PROFILE_MISSING'));
    await assert.rejects(store.remove('b1', undefined), withCode('PROFILE_MISSING'));
  });
});

test('when the system is Windows or XDG is set then the folder is where these say', () => {
  assert.equal(configFolder({ XDG_CONFIG_HOME: '/x', HOME: '/h' }, 'linux'), '/x/knock-otp');
  assert.equal(configFolder({ XDG_CONFIG_HOME: 'relative', HOME: '/h' }, 'linux'), '/h/.config/knock-otp');
  assert.match(configFolder({ APPDATA: 'C:\\Data', HOME: '/h' }, 'win32'), /^C:\\Data.knock-otp$/);
  assert.throws(() => configFolder({}, 'linux'), withCode('USAGE'));
});
