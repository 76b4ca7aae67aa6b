/**
 * A seccomp filter for capture children: what they will never do again once their device is open, or they wait for ports
 * to bind. Knows system call numbers of the two architectures we run on; elsewhere there is no filter, and the child says
 * so.
 *
 * A list of what is denied, not of what is allowed: V8 and the C library may call something new after any update, and a
 * child that dies of it is a deaf daemon. Denied is what would carry an attacker who owns the child any further: other
 * programs, files, sockets, other processes, namespaces, the kernel's own loaders; and options of the sockets that it has,
 * since taking the packet socket's filter away would show all that the host receives. Reading them (getsockopt) stays: the
 * losses of that socket are counted there. It holds for all threads, so that a
 * capability left on one of V8's (capset is per thread) finds nothing to be used on.
 */

interface Architecture {
  /** AUDIT_ARCH_: a call made through another ABI of the same processor has other numbers. */
  readonly audit: number;
  readonly seccomp: number;
  readonly denied: readonly number[];
  /** socket, bind, listen, setsockopt. */
  readonly listening: readonly number[];
}

/** pidfd_send_signal, io_uring_setup, open_tree, move_mount, fsopen, fsmount, pidfd_open, openat2, pidfd_getfd: the same everywhere. */
const DENIED_EVERYWHERE = [424, 425, 428, 429, 430, 432, 434, 437, 438];

// In the order of the names below; architectures without the old call have none.
// execve execveat ptrace process_vm_readv process_vm_writev socket connect bind listen sendto sendmsg sendmmsg setsockopt openat
// mount umount2 pivot_root chroot unshare setns bpf init_module finit_module kexec_load open_by_handle_at kill tkill
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

/** Numbers from here on are the x32 ABI under AUDIT_ARCH_X86_64: the same calls by another name. */
const X32_BIT = 0x40000000;

const LOAD_WORD = 0x20;
const JUMP_EQUAL = 0x15;
const JUMP_GREATER_OR_EQUAL = 0x35;
const RETURN = 0x06;
const ALLOW = 0x7fff0000;
/** SECCOMP_RET_ERRNO with EPERM: a refused call fails, the child lives on and hears. */
const REFUSE = 0x00050001;
const OFFSET_NUMBER = 0;
const OFFSET_ARCHITECTURE = 4;

export interface SystemCallFilter {
  /** Number of seccomp(2) itself. */
  readonly seccompNumber: number;
  /** struct sock_filter[], 8 bytes each. */
  readonly program: Buffer;
}

/**
 * @param architecture as process.arch names it; undefined for one whose numbers are not known here
 * @param listens for a child that goes on making sockets: still none that connects
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
