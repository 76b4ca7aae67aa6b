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
  /** The value of a socket option, at most `bytes` long; undefined where the descriptor is no socket or has no such option. */
  socketOption(descriptor: number, level: number, option: number, bytes: number): Buffer | undefined;
  /** False when the kernel refused. */
  setSocketOption(descriptor: number, level: number, option: number, value: number): boolean;
  /** One message, whole or not at all. */
  send(descriptor: number, message: Buffer): boolean;
  /** Waits for nothing. The message's length, cut to the buffer's; -1 when there is none. */
  receive(descriptor: number, into: Buffer): number;
  /** Installs a seccomp filter, an array of struct sock_filter, on every thread of the process. */
  filterSystemCalls(seccompNumber: number, program: Buffer): boolean;
}

const CAPABILITY_VERSION_3 = 0x20080522;
const SECCOMP_SET_MODE_FILTER = 1;
/** To all threads: V8's were there before us. The caller's no_new_privs goes to them as well. */
const SECCOMP_FILTER_FLAG_TSYNC = 1;
/** Any socket takes the question, this one where the service may have no internet sockets. */
const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 0o2000002;
const SIOCGIFFLAGS = 0x8913;
const MSG_DONTWAIT = 0x40;
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
    const bytes = koffi.pointer('uint8_t');
    const getsockopt = library.func('getsockopt', 'int', [
      'int',
      'int',
      'int',
      koffi.inout(bytes),
      koffi.inout(koffi.pointer('uint32_t')),
    ]);
    const setsockopt = library.func('setsockopt', 'int', ['int', 'int', 'int', bytes, 'uint32_t']);
    const send = library.func('send', 'long', ['int', bytes, 'ulong', 'int']);
    const recv = library.func('recv', 'long', ['int', koffi.inout(bytes), 'ulong', 'int']);
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
        if (asking < 0) asking = Number(socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0));
        const request = Buffer.alloc(40);
        request.write(name, 0, IFNAMSIZ - 1, 'latin1');
        return ioctl(asking, SIOCGIFFLAGS, request) === 0 ? request.readUInt16LE(IFNAMSIZ) : -1;
      },
      socketOption(descriptor, level, option, length) {
        const value = Buffer.alloc(length);
        const size = new Uint32Array([length]);
        return getsockopt(descriptor, level, option, value, size) === 0 ? value.subarray(0, size[0]) : undefined;
      },
      setSocketOption(descriptor, level, option, value) {
        const bytes = Buffer.alloc(4);
        bytes.writeInt32LE(value);
        return setsockopt(descriptor, level, option, bytes, bytes.length) === 0;
      },
      send: (descriptor, message) => Number(send(descriptor, message, message.length, 0)) === message.length,
      receive: (descriptor, into) => Number(recv(descriptor, into, into.length, MSG_DONTWAIT)),
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
