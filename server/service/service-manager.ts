/**
 * Sends the daemon's state to the service manager, as sd_notify(3) does, in Unix datagrams. Node has no Unix datagram
 * sockets, so koffi makes three calls of the C library. Without koffi nothing is sent, and the log says so. The daemon
 * decides when it is ready or stopping.
 */

export interface ServiceManager {
  /** The daemon receives packets, and its doors are shut. */
  ready(status: string): void;
  stopping(): void;
  /** Sends keep-alive messages from now on, as long as the event loop runs, if the manager asked for them. */
  startWatchdog(): void;
  close(): void;
}

export interface NotifySurroundings {
  readonly environment: NodeJS.ProcessEnv;
  readonly pid: number;
}

type Send = (text: string) => boolean;

const AF_UNIX = 1;
/** SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK: a manager that does not read must not block the daemon. */
const DATAGRAM = 0o2004002;
const MSG_NOSIGNAL = 0x4000;
/** sun_path of unix(7). */
const MAX_PATH = 108;
const VARIABLES = ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID'] as const;

/**
 * Undefined where no manager asked for messages. Removes the variables from the environment: commands of doors must not
 * send messages for the daemon.
 * @param warn gets one line when the manager cannot be reached
 */
export async function connectServiceManager(
  { environment, pid }: NotifySurroundings,
  warn: (line: string) => void,
): Promise<ServiceManager | undefined> {
  const [path, interval, watched] = VARIABLES.map((name) => environment[name]);
  for (const name of VARIABLES) delete environment[name];
  if (path === undefined) return undefined;
  const address = socketAddress(path);
  const connection = address === undefined ? undefined : await openSender(address);
  if (connection === undefined) {
    warn('cannot tell the service manager that the daemon is ready: koffi is missing, or NOTIFY_SOCKET is not a path');
    return undefined;
  }
  const pauseMs = watchdogPauseMs(interval, watched, pid);
  let beat: NodeJS.Timeout | undefined;
  return {
    ready: (status) =>
      void connection.send(`READY=1\nSTATUS=${status.replaceAll(/[^\x20-\x7e]/g, '?')}\nMAINPID=${pid}`),
    stopping: () => void connection.send('STOPPING=1'),
    startWatchdog: () => {
      if (pauseMs === undefined || beat !== undefined) return;
      connection.send('WATCHDOG=1');
      beat = setInterval(() => connection.send('WATCHDOG=1'), pauseMs);
    },
    close: () => {
      clearInterval(beat);
      connection.close();
    },
  };
}

/**
 * Half of the manager's watchdog interval, as sd_watchdog_enabled(3) advises; undefined when it watches another
 * process.
 */
export function watchdogPauseMs(
  interval: string | undefined,
  watched: string | undefined,
  pid: number,
): number | undefined {
  if (watched !== undefined && watched !== `${pid}`) return undefined;
  const microseconds = Number(interval);
  if (interval === undefined || !/^[0-9]{1,15}$/.test(interval) || microseconds < 2_000) return undefined;
  return Math.min(Math.floor(microseconds / 2_000), 60_000);
}

/** struct sockaddr_un up to the end of the path; `@` begins an abstract name. Undefined when the path is invalid. */
export function socketAddress(path: string): Buffer | undefined {
  const name = Buffer.from(path, 'utf8');
  if (!/^[/@]./s.test(path) || path.includes('\0') || name.length >= MAX_PATH) return undefined;
  if (path.startsWith('@')) name[0] = 0;
  const address = Buffer.alloc(2 + name.length + (path.startsWith('@') ? 0 : 1));
  // sa_family_t is in the machine's byte order. Every machine that we support is little endian.
  address.writeUInt16LE(AF_UNIX, 0);
  name.copy(address, 2);
  return address;
}

/** Whether messages can be sent on this machine: koffi is an optional package. */
export async function canNotify(): Promise<boolean> {
  const sender = await openSender(Buffer.alloc(3));
  sender?.close();
  return sender !== undefined;
}

async function openSender(address: Buffer): Promise<{ readonly send: Send; readonly close: () => void } | undefined> {
  try {
    const { default: koffi } = await import('koffi');
    const library = koffi.load('libc.so.6');
    const socket = library.func('socket', 'int', ['int', 'int', 'int']);
    const sendto = library.func('sendto', 'long', ['int', 'uint8_t *', 'size_t', 'int', 'uint8_t *', 'uint']);
    const close = library.func('close', 'int', ['int']);
    const descriptor = Number(socket(AF_UNIX, DATAGRAM, 0));
    if (descriptor < 0) return undefined;
    return {
      send: (text) => {
        const bytes = Buffer.from(text, 'utf8');
        return Number(sendto(descriptor, bytes, bytes.length, MSG_NOSIGNAL, address, address.length)) === bytes.length;
      },
      close: () => void close(descriptor),
    };
  } catch {
    return undefined;
  }
}
