/**
 * The C library calls that Node does not offer, through koffi. {@link loadLibc} returns undefined when koffi or the
 * library is missing; each caller reports that itself.
 */

export interface Libc {
  /** 0 or the value asked for; -1 when refused. */
  prctl(option: number, value: number): number;
  /** Every thread becomes that user and group, for good, without other groups. 0, or the errno of the user's change. */
  becomeUser(uid: number, gid: number): number;
  /** Drops every capability of the calling thread. False when refused. */
  dropCapabilities(): boolean;
  /** Index of the interface in this process's network namespace; 0 when it does not exist. */
  interfaceIndex(name: string): number;
  /** IFF_ flags of the interface; -1 when it does not exist. */
  interfaceFlags(name: string): number;
  /** The value of a socket option, at most `bytes` long; undefined if the descriptor is no socket or has no such option. */
  socketOption(descriptor: number, level: number, option: number, bytes: number): Buffer | undefined;
  /** False when the kernel refused. */
  setSocketOption(descriptor: number, level: number, option: number, value: number): boolean;
  /** Sends one message, whole or not at all. */
  send(descriptor: number, message: Buffer): boolean;
  /** Receives without waiting. Returns the length of the message, cut to the buffer's; -1 when there is none. */
  receive(descriptor: number, into: Buffer): number;
  /** Installs a seccomp filter, an array of struct sock_filter, on every thread of the process. */
  filterSystemCalls(seccompNumber: number, program: Buffer): boolean;
}

const CAPABILITY_VERSION_3 = 0x20080522;
const SECCOMP_SET_MODE_FILTER = 1;
/** Applies to all threads, because V8 started some earlier. They get the caller's no_new_privs too. */
const SECCOMP_FILTER_FLAG_TSYNC = 1;
/** Any socket serves for the ioctl; a Unix socket is allowed even in a service without internet sockets. */
const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 0o2000002;
const SIOCGIFFLAGS = 0x8913;
const MSG_DONTWAIT = 0x40;
const IFNAMSIZ = 16;
const SOCK_FILTER_BYTES = 8;

/** glibc, and musl under its own file name: both have these calls. */
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
    // glibc and musl change all threads. libuv, which Node asks, refuses to in its versions that may use io_uring.
    const setgroups = library.func('setgroups', 'int', ['ulong', 'uint32_t *']);
    const setresgid = library.func('setresgid', 'int', ['uint', 'uint', 'uint']);
    const setresuid = library.func('setresuid', 'int', ['uint', 'uint', 'uint']);
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
    // ioctl needs a socket. It is opened once and kept: a new one for each call could fail for lack of descriptors.
    let ioctlFd = -1;
    return {
      prctl: (option, value) => Number(prctl(option, value, 0, 0, 0)),
      becomeUser(uid, gid) {
        setgroups(0, null);
        setresgid(gid, gid, gid);
        return setresuid(uid, uid, uid) === 0 ? 0 : koffi.errno();
      },
      dropCapabilities() {
        const header = Buffer.alloc(8);
        header.writeUInt32LE(CAPABILITY_VERSION_3);
        return capset(header, Buffer.alloc(24)) === 0;
      },
      interfaceIndex: (name) => Number(ifNameToIndex(name)),
      interfaceFlags(name) {
        if (ioctlFd < 0) ioctlFd = Number(socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0));
        const request = Buffer.alloc(40);
        request.write(name, 0, IFNAMSIZ - 1, 'latin1');
        return ioctl(ioctlFd, SIOCGIFFLAGS, request) === 0 ? request.readUInt16LE(IFNAMSIZ) : -1;
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
