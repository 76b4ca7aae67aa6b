/** The answer of a time server (RFC 4330): stratum 2, no leap second. */
export function timeAnswer(question: Uint8Array, nowMs: number, aheadMs: number): Uint8Array {
  const bytes = new Uint8Array(48);
  const view = new DataView(bytes.buffer);
  bytes[0] = 0b00_100_100;
  bytes[1] = 2;
  bytes.set(question.subarray(40, 48), 24);
  for (const at of [32, 40]) {
    const seconds = (nowMs + aheadMs) / 1000 + 2_208_988_800;
    view.setUint32(at, Math.floor(seconds) % 2 ** 32);
    view.setUint32(at + 4, Math.floor((seconds % 1) * 2 ** 32));
  }
  return bytes;
}
