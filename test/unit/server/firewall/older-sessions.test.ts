/** Parsing the kernel's list of TCP sessions, in the format of proc(5), on machines of either byte order. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { olderSessions, parseSession } from '../../../../server/firewall/older-sessions.ts';
import { formatAddress } from '../../../../shared/address.ts';

const REST = ' 00000000:00000000 00:00000000 00000000     0        0 12345 1 0000000000000000 100 0 0 10 0';

describe('a listing of sessions', () => {
  for (const [line, bytes, expected] of [
    ['   1: 0100007F:0016 0200A8C0:D431 01', 'LE', '192.168.0.2 54321 127.0.0.1 22'],
    ['   1: 7F000001:0016 C0A80002:D431 01', 'BE', '192.168.0.2 54321 127.0.0.1 22'],
    [
      ' 100: 000077FD000000000000000001000000:0899 000077FD000000000000000002000000:D431 08',
      'LE',
      'fd77::2 54321 fd77::1 2201',
    ],
    // An IPv4 session of a socket that listens on both families.
    [
      '   0: 0000000000000000FFFF000001004D0A:0899 0000000000000000FFFF000002004D0A:D431 01',
      'LE',
      '10.77.0.2 54321 10.77.0.1 2201',
    ],
    ['   1: 0100007F:0016 0200A8C0:D431 03', 'LE', undefined],
    ['   1: 0100007F:0016 00000000:0000 0A', 'LE', undefined],
    ['   1: 0100007F:0016 0200A8C0:D431 06', 'LE', undefined],
    ['  sl  local_address rem_address   st', 'LE', undefined],
  ] as const) {
    test(`when a line is ${line} (${bytes}) then it says ${expected ?? 'no session'}`, () => {
      const session = parseSession(line + REST, bytes);
      assert.equal(
        session === undefined
          ? undefined
          : `${formatAddress(session.source)} ${session.sourcePort} ${formatAddress(session.target)} ${session.port}`,
        expected,
      );
    });
  }

  test('whatever a line holds, reading it does not throw', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (line) => void parseSession(line)));
  });

  test('when this machine has a session at a port then it is found, and none at others', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const socket = connect(port, '127.0.0.1');
    await Promise.all([once(socket, 'connect'), once(server, 'connection')]);
    const found = await olderSessions(new Set([port]));
    assert.deepEqual(
      found.map(({ sourcePort }) => sourcePort),
      [socket.localPort],
    );
    assert.deepEqual(await olderSessions(new Set()), []);
    assert.deepEqual(await olderSessions(new Set([port]), '/nonexistent'), []);
    socket.destroy();
    server.close();
  });
});
