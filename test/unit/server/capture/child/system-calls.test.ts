import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemCallFilter } from '../../../../../server/capture/child/system-calls.ts';

const ALLOW = 0x7fff0000;
const REFUSE_EPERM = 0x00050001;

/** Interprets the program as seccomp does, for (number, architecture); it uses four instructions. */
function verdict(program: Buffer, number: number, architecture: number): number {
  let accumulator = 0;
  for (let line = 0; line < program.length / 8; line += 1) {
    const code = program.readUInt16LE(line * 8);
    const value = program.readUInt32LE(line * 8 + 4);
    if (code === 0x06) return value;
    if (code === 0x20) accumulator = value === 0 ? number : architecture;
    else {
      assert.ok(code === 0x15 || code === 0x35, `instruction ${code}`);
      const holds = code === 0x15 ? accumulator === value : accumulator >= value;
      line += program.readUInt8(line * 8 + (holds ? 2 : 3));
    }
  }
  assert.fail('the program runs off its end: the kernel would refuse it');
}

const architectures = [
  // execve, socket, setsockopt, openat, ptrace, the last of the list; read, write, poll, recvfrom, getsockopt, mmap, futex,
  // tgkill, exit_group; and what a child with listening sockets needs too
  {
    ...{ name: 'x64', audit: 0xc000003e, denied: [59, 41, 54, 257, 101, 438] },
    ...{ allowed: [0, 1, 7, 45, 55, 9, 202, 234, 231], listening: [41, 49, 50, 54], connect: 42 },
  },
  {
    ...{ name: 'arm64', audit: 0xc00000b7, denied: [221, 198, 208, 56, 117, 438] },
    ...{ allowed: [63, 64, 73, 207, 209, 222, 98, 131, 94], listening: [198, 200, 201, 208], connect: 203 },
  },
];

for (const { name, audit, denied, allowed, listening, connect } of architectures) {
  test(`when a call is made on ${name} then what the child needs is allowed and what an attacker needs is not`, () => {
    const filter = systemCallFilter(name);
    assert.ok(filter !== undefined);
    for (const number of denied) assert.equal(verdict(filter.program, number, audit), REFUSE_EPERM, `call ${number}`);
    for (const number of allowed) assert.equal(verdict(filter.program, number, audit), ALLOW, `call ${number}`);
  });

  test(`when a child on ${name} listens then it can make sockets, and still none that connects`, () => {
    const filter = systemCallFilter(name, { listens: true });
    assert.ok(filter !== undefined);
    for (const number of [...allowed, ...listening]) assert.equal(verdict(filter.program, number, audit), ALLOW);
    for (const number of denied) {
      const want = listening.includes(number) ? ALLOW : REFUSE_EPERM;
      assert.equal(verdict(filter.program, number, audit), want, `call ${number}`);
    }
    assert.equal(verdict(filter.program, connect, audit), REFUSE_EPERM);
  });

  test(`when a call comes through another ABI than that of ${name} then it is refused`, () => {
    const filter = systemCallFilter(name);
    assert.ok(filter !== undefined);
    assert.equal(verdict(filter.program, allowed[0] ?? 0, 0x40000003), REFUSE_EPERM);
    assert.equal(verdict(filter.program, 0x40000000 | (allowed[0] ?? 0), audit), REFUSE_EPERM);
  });
}

test('when the architecture is not known then there is no filter rather than a wrong one', () => {
  assert.equal(systemCallFilter('riscv64'), undefined);
});
