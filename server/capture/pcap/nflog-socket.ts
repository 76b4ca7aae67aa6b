/**
 * Prepares the netlink socket through which libpcap reads an NFLOG group, so that strays can be counted. Messages get
 * numbers, so a lost one is a gap. A full queue loses messages without an error, which would end the process in `cap`. The
 * queue is large. Uses linux/netfilter/nfnetlink_log.h, and finds libpcap's socket among the open descriptors.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { KnockError } from '../../../shared/errors.ts';
import type { Libc } from '../libc.ts';

const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_RCVBUFFORCE = 33;
const SO_PROTOCOL = 38;
const SO_DOMAIN = 39;
const AF_NETLINK = 16;
const NETLINK_NETFILTER = 12;
const SOL_NETLINK = 270;
const NETLINK_NO_ENOBUFS = 5;

const NLMSG_ERROR = 2;
const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
/** NFNL_SUBSYS_ULOG and NFULNL_MSG_CONFIG. */
const LOG_CONFIG = (4 << 8) | 1;
const NFULA_CFG_FLAGS = 6;
const NFULNL_CFG_F_SEQ = 1;
/** Sequence number of the one request; the kernel repeats it in its answer. */
const REQUEST_NUMBER = 0x6b6e6f63;

/** Size of the queue. A small packet takes about 830 bytes of it, so 20,000 can wait. */
const QUEUE_BYTES = 16 * 1024 * 1024;
/** Maximum of datagrams to read before the answer. */
const MAX_ANSWERS = 100_000;

/**
 * Call it between opening the group and reading from it: it discards the waiting messages.
 * @throws KnockError CAPTURE when losses could not be detected
 */
export function prepareNflogSocket(libc: Libc | undefined, group: number): void {
  const problem =
    libc === undefined
      ? 'koffi is not installed'
      : (socketsOf(libc).map((descriptor) => prepare(libc, descriptor, group))[0] ?? 'its socket was not found');
  if (problem === '') return;
  throw new KnockError('CAPTURE', `losses of nflog:${group} cannot be detected: ${problem}`);
}

function socketsOf(libc: Libc): readonly number[] {
  const is = (descriptor: number, option: number, value: number): boolean => {
    const found = libc.socketOption(descriptor, SOL_SOCKET, option, 4);
    return found?.length === 4 && found.readInt32LE() === value;
  };
  return readdirSync('/proc/self/fd')
    .map(Number)
    .filter((descriptor) => is(descriptor, SO_DOMAIN, AF_NETLINK) && is(descriptor, SO_PROTOCOL, NETLINK_NETFILTER));
}

/** Returns the problem; empty without one. */
function prepare(libc: Libc, descriptor: number, group: number): string {
  if (!libc.setSocketOption(descriptor, SOL_NETLINK, NETLINK_NO_ENOBUFS, 1)) return 'NETLINK_NO_ENOBUFS was refused';
  // Beyond net.core.rmem_max with the privilege for it, otherwise up to that limit.
  if (!libc.setSocketOption(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, QUEUE_BYTES)) {
    libc.setSocketOption(descriptor, SOL_SOCKET, SO_RCVBUF, QUEUE_BYTES);
  }
  if (!libc.send(descriptor, numberingRequest(group))) return 'the request for numbers could not be sent';
  const message = Buffer.alloc(64);
  for (let answers = 0; answers < MAX_ANSWERS; answers += 1) {
    const length = libc.receive(descriptor, message);
    if (length < 0) return 'the request for numbers was not answered';
    if (length < 20 || message.readUInt16LE(4) !== NLMSG_ERROR || message.readUInt32LE(8) !== REQUEST_NUMBER) continue;
    return message.readInt32LE(16) === 0 ? '' : `the request for numbers was refused (${message.readInt32LE(16)})`;
  }
  return 'the request for numbers was not answered';
}

function numberingRequest(group: number): Buffer {
  const message = Buffer.alloc(28);
  message.writeUInt32LE(message.length, 0);
  message.writeUInt16LE(LOG_CONFIG, 4);
  message.writeUInt16LE(NLM_F_REQUEST | NLM_F_ACK, 6);
  message.writeUInt32LE(REQUEST_NUMBER, 8);
  // struct nfgenmsg: family and version 0, the group in network order; one attribute, its value in network order too.
  message.writeUInt16BE(group, 18);
  message.writeUInt16LE(6, 20);
  message.writeUInt16LE(NFULA_CFG_FLAGS, 22);
  message.writeUInt16BE(NFULNL_CFG_F_SEQ, 24);
  return message;
}

/** The kernel's setting for the logger of conntrack and of the host's `log` rules without a group. */
const LOGGERS = '/proc/sys/net/netfilter/nf_log';
const FAMILIES = ['2', '10'];

/**
 * libpcap makes itself the logger of IPv4 when it opens a group, which a numbered group does not need. Returns a function
 * that restores the host's own logger.
 */
export function rememberLoggers(): () => void {
  const before = FAMILIES.map((family) => [family, textOf(`${LOGGERS}/${family}`)] as const);
  return () => {
    for (const [family, logger] of before) {
      if (logger === undefined || logger === textOf(`${LOGGERS}/${family}`)) continue;
      try {
        writeFileSync(`${LOGGERS}/${family}`, logger);
      } catch {
        // Read-only in a container, or no permission.
      }
    }
  };
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1').trim();
  } catch {
    return undefined;
  }
}
