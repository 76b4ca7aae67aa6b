/**
 * One question to a time server, RFC 4330 (SNTP): 48 bytes out, 48 back. Pure; whom to ask, and the datagrams, are
 * others' business.
 */

export const NTP_PORT = 123;

const BYTES = 48;
const TRANSMIT_AT = 40;
const ORIGINATE_AT = 24;
const RECEIVE_AT = 32;

/** Seconds from 1900, where NTP begins, to 1970. */
const TO_UNIX_SECONDS = 2_208_988_800;

export type TimeAnswer =
  | {
      readonly ok: true /** Milliseconds by which the server's clock is ahead. */;
      readonly aheadMs: number;
      readonly delayMs: number;
    }
  | { readonly ok: false; readonly reason: string };

/**
 * @param cookie 8 random bytes in place of our time: the server sends them back, so that nobody who does not see the
 * question can answer it, and it does not learn our clock
 */
export function timeQuestion(cookie: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(BYTES);
  // No warning, version 4, client.
  bytes[0] = 0b00_100_011;
  bytes.set(cookie.subarray(0, 8), TRANSMIT_AT);
  return bytes;
}

/** @param sentMs Unix milliseconds by our clock, as `receivedMs` */
export function readTimeAnswer(bytes: Uint8Array, cookie: Uint8Array, sentMs: number, receivedMs: number): TimeAnswer {
  if (bytes.length < BYTES) return { ok: false, reason: 'its answer is too short' };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const first = view.getUint8(0);
  const stratum = view.getUint8(1);
  if ((first & 0b111) !== 4) return { ok: false, reason: 'its answer is not one of a server' };
  if (cookie.some((byte, at) => view.getUint8(ORIGINATE_AT + at) !== byte)) {
    return { ok: false, reason: 'its answer is to another question' };
  }
  if (stratum === 0) return { ok: false, reason: 'it asks not to be asked' };
  if (first >> 6 === 3 || stratum > 15) return { ok: false, reason: 'its own clock is not set' };
  const serverReceivedMs = unixMsAt(view, RECEIVE_AT, receivedMs);
  const serverSentMs = unixMsAt(view, TRANSMIT_AT, receivedMs);
  return {
    ok: true,
    aheadMs: (serverReceivedMs - sentMs + (serverSentMs - receivedMs)) / 2,
    delayMs: Math.max(0, receivedMs - sentMs - (serverSentMs - serverReceivedMs)),
  };
}

/** The 32 bits of seconds come round in 2036 and every 136 years: the time that is nearest to ours is meant. */
function unixMsAt(view: DataView, at: number, nearMs: number): number {
  const fraction = view.getUint32(at + 4) / 2 ** 32;
  const near = Math.floor(nearMs / 1000);
  const distance = (view.getUint32(at) - TO_UNIX_SECONDS - near) | 0;
  return (near + distance + fraction) * 1000;
}
