/**
 * Builds the seccomp filter of capture children, for the time after their device is open or while they bind ports. Has the
 * system call numbers of x64 and arm64; other architectures have no filter, and the child reports that.
 *
 * The list denies instead of allows: V8 or the C library may use a new system call after an update, and a killed child is
 * a deaf daemon. It denies what would help an attacker who controls the child: programs, files, sockets, other processes,
 * namespaces and kernel modules. It denies setsockopt too, because the packet socket without its filter would show all
 * received traffic. getsockopt stays, because it counts that socket's losses. The filter holds for all threads, so a
 * capability left on a V8 thread (capset is per thread) is of no use.
 */

interface Architecture {
  /** AUDIT_ARCH_ value: another ABI of the same processor has other numbers. */
  readonly audit: number;
  readonly seccomp: number;
  readonly denied: readonly number[];
  /** socket, bind, listen, setsockopt. */
  readonly listening: readonly number[];
}

/**
 * pidfd_send_signal, io_uring_setup, open_tree, move_mount, fsopen, fsmount, pidfd_open, openat2, pidfd_getfd: the same
 * numbers on all architectures.
 */
const DENIED_EVERYWHERE = [424, 425, 428, 429, 430, 432, 434, 437, 438];

// In the order of the names in the comments; arm64 does not have the old calls.
// execve execveat ptrace process_vm_readv process_vm_writev socket connect bind listen sendto sendmsg sendmmsg setsockopt
// openat mount umount2 pivot_root chroot unshare setns bpf init_module finit_module kexec_load open_by_handle_at kill tkill
// perf_event_open add_key keyctl unlinkat renameat renameat2 linkat symlinkat mkdirat mknodat fchmodat fchownat userfaultfd
const X64 = [
  59, 322, 101, 310, 311, 41, 42, 49, 50, 44, 46, 307, 54, 257, 165, 166, 155, 161, 272, 308, 321, 175, 313, 246, 304,
  62, 200, 298, 248, 250, 263, 264, 316, 265, 266, 258, 259, 268, 260, 323,
];
// open creat fork vfork unlink rename link symlink mkdir rmdir mknod chmod chown lchown
const X64_OLD = [2, 85, 57, 58, 87, 82, 86, 88, 83, 84, 133, 90, 92, 94];
const ARM64 = [
  221, 281, 117, 270, 271, 198, 203, 200, 201, 206, 211, 269, 208, 56, 40, 39, 41, 51, 97, 268, 280, 105, 273, 104, 265,
  129, 130, 241, 217, 219, 35, 38, 276, 37, 36, 34, 33, 53, 54, 282,
];

const ARCHITECTURES: Readonly<Record<string, Architecture>> = {
  x64: {
    audit: 0xc000003e,
    seccomp: 317,
    denied: [...X64, ...X64_OLD, ...DENIED_EVERYWHERE],
    listening: [41, 49, 50, 54],
  },
  arm64: { audit: 0xc00000b7, seccomp: 277, denied: [...ARM64, ...DENIED_EVERYWHERE], listening: [198, 200, 201, 208] },
};

/** From this number on: the x32 ABI under AUDIT_ARCH_X86_64, the same calls with other numbers. */
const X32_BIT = 0x40000000;

const LOAD_WORD = 0x20;
const JUMP_EQUAL = 0x15;
const JUMP_GREATER_OR_EQUAL = 0x35;
const RETURN = 0x06;
const ALLOW = 0x7fff0000;
/** SECCOMP_RET_ERRNO with EPERM: a refused call fails, and the child goes on capturing. */
const REFUSE = 0x00050001;
const OFFSET_NUMBER = 0;
const OFFSET_ARCHITECTURE = 4;

export interface SystemCallFilter {
  /** System call number of seccomp(2). */
  readonly seccompNumber: number;
  /** struct sock_filter[], 8 bytes each. */
  readonly program: Buffer;
}

/**
 * @param architecture as in process.arch; the result is undefined for an unknown one
 * @param listens allows to create and bind sockets, but not to connect
 */
export function systemCallFilter(architecture: string, { listens = false } = {}): SystemCallFilter | undefined {
  const known = ARCHITECTURES[architecture];
  if (known === undefined) return undefined;
  const { audit, seccomp, listening } = known;
  const denied = listens ? known.denied.filter((number) => !listening.includes(number)) : known.denied;
  // Every test jumps to the last instruction, which refuses; the one before it allows.
  const refuseAt = 4 + denied.length + 1;
  const lines: [code: number, jumpTrue: number, jumpFalse: number, value: number][] = [
    [LOAD_WORD, 0, 0, OFFSET_ARCHITECTURE],
    [JUMP_EQUAL, 0, refuseAt - 2, audit],
    [LOAD_WORD, 0, 0, OFFSET_NUMBER],
    [JUMP_GREATER_OR_EQUAL, refuseAt - 4, 0, X32_BIT],
    ...denied.map((number, index): [number, number, number, number] => [
      JUMP_EQUAL,
      refuseAt - (4 + index) - 1,
      0,
      number,
    ]),
    [RETURN, 0, 0, ALLOW],
    [RETURN, 0, 0, REFUSE],
  ];
  const program = Buffer.alloc(lines.length * 8);
  for (const [index, [code, jumpTrue, jumpFalse, value]] of lines.entries()) {
    program.writeUInt16LE(code, index * 8);
    program.writeUInt8(jumpTrue, index * 8 + 2);
    program.writeUInt8(jumpFalse, index * 8 + 3);
    program.writeUInt32LE(value, index * 8 + 4);
  }
  return { seccompNumber: seccomp, program };
}
