/** The question to a time server and its answer, by RFC 4330 (SNTP): 48 bytes each. Pure. */

export const NTP_PORT = 123;

const BYTES = 48;
const TRANSMIT_AT = 40;
const ORIGINATE_AT = 24;
const RECEIVE_AT = 32;

/** Seconds from 1900, where NTP begins, to 1970. */
const TO_UNIX_SECONDS = 2_208_988_800;

export type TimeAnswer =
  | {
      readonly ok: true;
      /** Milliseconds by which the server's clock is ahead. */
      readonly aheadMs: number;
      /** Milliseconds of the round trip. */
      readonly delayMs: number;
    }
  | { readonly ok: false; readonly reason: string };

/**
 * @param cookie 8 random bytes in place of this host's time: the server sends them back. So only a host that sees the
 * question can answer it, and the server does not learn this host's clock
 */
export function timeQuestion(cookie: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(BYTES);
  // No leap warning, version 4, client mode.
  bytes[0] = 0b00_100_011;
  bytes.set(cookie.subarray(0, 8), TRANSMIT_AT);
  return bytes;
}

/** @param sentMs Unix milliseconds by this host's clock, as `receivedMs` */
export function readTimeAnswer(bytes: Uint8Array, cookie: Uint8Array, sentMs: number, receivedMs: number): TimeAnswer {
  if (bytes.length < BYTES) return { ok: false, reason: 'its answer is too short' };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const first = view.getUint8(0);
  const stratum = view.getUint8(1);
  if ((first & 0b111) !== 4) return { ok: false, reason: 'its answer is not in server mode' };
  if (cookie.some((byte, at) => view.getUint8(ORIGINATE_AT + at) !== byte)) {
    return { ok: false, reason: 'its answer does not match the question' };
  }
  if (stratum === 0) return { ok: false, reason: 'it refuses to serve this client' };
  if (first >> 6 === 3 || stratum > 15) return { ok: false, reason: 'its own clock is not set' };
  const serverReceivedMs = unixMsAt(view, RECEIVE_AT, receivedMs);
  const serverSentMs = unixMsAt(view, TRANSMIT_AT, receivedMs);
  return {
    ok: true,
    aheadMs: (serverReceivedMs - sentMs + (serverSentMs - receivedMs)) / 2,
    delayMs: Math.max(0, receivedMs - sentMs - (serverSentMs - serverReceivedMs)),
  };
}

/** The 32 bits of seconds wrap in 2036 and every 136 years: the result is the time nearest to `nearMs`. */
function unixMsAt(view: DataView, at: number, nearMs: number): number {
  const fraction = view.getUint32(at + 4) / 2 ** 32;
  const near = Math.floor(nearMs / 1000);
  const distance = (view.getUint32(at) - TO_UNIX_SECONDS - near) | 0;
  return (near + distance + fraction) * 1000;
}
