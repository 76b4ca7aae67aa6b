import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LOOK_AGAIN_MS, OwnAddresses, REREAD_MS } from '../../../../server/capture/own-addresses.ts';
import { type AddressKey, addressKey, formatAddress } from '../../../../shared/address.ts';

function key(text: string): AddressKey {
  const made = addressKey(text);
  assert.ok(made !== undefined);
  return made;
}

test('when addresses are read then those are own and others are not', () => {
  const own = new OwnAddresses({ read: () => ['192.0.2.1', 'fe80::1%eth0', 'not an address'] });
  assert.equal(own.has(key('192.0.2.1')), true);
  assert.equal(own.has(key('fe80::1')), true);
  assert.equal(own.has(key('192.0.2.2')), false);
  assert.deepEqual([...own.all()].map(formatAddress), ['192.0.2.1', 'fe80::1']);
});

test('when addresses change then that is seen within a second and said once', (context) => {
  context.mock.timers.enable({ apis: ['setInterval'] });
  let now: readonly string[] = ['192.0.2.1', '192.0.2.2'];
  const changes: string[][] = [];
  const own = new OwnAddresses({
    read: () => now,
    onChange: (addresses) => changes.push([...addresses].map(formatAddress)),
  });
  own.start();
  now = ['192.0.2.2', '192.0.2.1'];
  context.mock.timers.tick(REREAD_MS);
  assert.deepEqual(changes, [], 'another order is no change');
  now = ['192.0.2.3', '192.0.2.1'];
  context.mock.timers.tick(REREAD_MS);
  context.mock.timers.tick(REREAD_MS * 5);
  assert.deepEqual(changes, [['192.0.2.3', '192.0.2.1']]);
  assert.deepEqual([own.has(key('192.0.2.3')), own.has(key('192.0.2.2'))], [true, false]);
  own.stop();
  now = [];
  context.mock.timers.tick(REREAD_MS * 5);
  assert.equal(own.has(key('192.0.2.3')), true);
});

test('when a packet comes to an address that came a moment ago then it is own, and strangers cost ten readings a second', () => {
  let [nowMs, readings] = [0, 0];
  let now: readonly string[] = ['192.0.2.1'];
  const own = new OwnAddresses({
    read: () => {
      readings += 1;
      return now;
    },
    now: () => nowMs,
  });
  now = ['192.0.2.1', '192.0.2.2'];
  assert.equal(own.has(key('192.0.2.2')), false, 'not yet');
  nowMs += LOOK_AGAIN_MS;
  assert.equal(own.has(key('192.0.2.2')), true);
  readings = 0;
  for (nowMs = 1_000; nowMs < 2_000; nowMs += 1) own.has(key('198.51.100.1'));
  assert.equal(readings, 10);
});

test('when the system would not say then the addresses of before stay', () => {
  let fails = false;
  const own = new OwnAddresses({
    read() {
      if (fails) throw new Error('out of descriptors');
      return ['192.0.2.1'];
    },
  });
  fails = true;
  own.reread();
  assert.equal(own.has(key('192.0.2.1')), true);
});

test('when nothing is injected then loopback is own', () => {
  assert.equal(new OwnAddresses().has(key('127.0.0.1')), true);
});
