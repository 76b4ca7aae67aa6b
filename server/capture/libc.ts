/**
 * The handful of C library calls that Node has no name for, through koffi. Knows their signatures; what they are for is
 * said where they are used. Where koffi or the library is missing, there is no Libc, and whoever wanted it says so.
 */

export interface Libc {
  /** 0, or what was asked for; -1 for refused. */
  prctl(option: number, value: number): number;
  /** Takes every capability from the calling thread. False when that was refused. */
  dropCapabilities(): boolean;
  /** Index of the interface in this process's network namespace; 0 when there is none. */
  interfaceIndex(name: string): number;
  /** IFF_ flags of the interface; -1 when it is gone. */
  interfaceFlags(name: string): number;
  /** Installs a seccomp filter, an array of struct sock_filter, on every thread of the process. */
  filterSystemCalls(seccompNumber: number, program: Buffer): boolean;
}

const CAPABILITY_VERSION_3 = 0x20080522;
const SECCOMP_SET_MODE_FILTER = 1;
/** To all threads: V8's were there before us. The caller's no_new_privs goes to them as well. */
const SECCOMP_FILTER_FLAG_TSYNC = 1;
const AF_INET = 2;
const SOCK_DGRAM_CLOEXEC = 0o2000002;
const SIOCGIFFLAGS = 0x8913;
const IFNAMSIZ = 16;
const SOCK_FILTER_BYTES = 8;

/** Tables of a musl system carry another file name; both have these calls. */
const LIBRARIES = ['libc.so.6', 'libc.so'];

let loaded: Promise<Libc | undefined> | undefined;

export function loadLibc(): Promise<Libc | undefined> {
  loaded ??= load();
  return loaded;
}

async function load(): Promise<Libc | undefined> {
  try {
    const { default: koffi } = await import('koffi');
    const library = LIBRARIES.map((name) => attempt(() => koffi.load(name))).find((found) => found !== undefined);
    if (library === undefined) return undefined;
    const fprog = koffi.struct({ len: 'uint16_t', filter: 'uint8_t *' });
    const prctl = library.func('prctl', 'int', ['int', 'ulong', 'ulong', 'ulong', 'ulong']);
    const capset = library.func('capset', 'int', ['uint8_t *', 'uint8_t *']);
    const ifNameToIndex = library.func('if_nametoindex', 'uint', ['str']);
    const socket = library.func('socket', 'int', ['int', 'int', 'int']);
    const ioctl = library.func('ioctl', 'int', ['int', 'ulong', koffi.inout(koffi.pointer('uint8_t'))]);
    const syscall = library.func('syscall', 'long', ['long', 'uint', 'uint', koffi.pointer(fprog)]);
    // One datagram socket for good: asking by ioctl needs some socket, and one made at each question can fail for want.
    let asking = -1;
    return {
      prctl: (option, value) => Number(prctl(option, value, 0, 0, 0)),
      dropCapabilities() {
        const header = Buffer.alloc(8);
        header.writeUInt32LE(CAPABILITY_VERSION_3);
        return capset(header, Buffer.alloc(24)) === 0;
      },
      interfaceIndex: (name) => Number(ifNameToIndex(name)),
      interfaceFlags(name) {
        if (asking < 0) asking = Number(socket(AF_INET, SOCK_DGRAM_CLOEXEC, 0));
        const request = Buffer.alloc(40);
        request.write(name, 0, IFNAMSIZ - 1, 'latin1');
        return ioctl(asking, SIOCGIFFLAGS, request) === 0 ? request.readUInt16LE(IFNAMSIZ) : -1;
      },
      filterSystemCalls(seccompNumber, program) {
        const prog = { len: program.length / SOCK_FILTER_BYTES, filter: program };
        return Number(syscall(seccompNumber, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, prog)) === 0;
      },
    };
  } catch {
    return undefined;
  }
}

function attempt<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}
