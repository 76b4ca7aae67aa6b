/**
 * Draws a profile URI as a QR code on the terminal, for a phone to scan. Loads the library only when a code is drawn.
 */

/** Lines of half-block characters, dark on light with any terminal colours. Contains the secret, as the URI does. */
export async function qrCode(uri: string): Promise<string> {
  const { renderUnicodeCompact } = await import('uqr');
  return renderUnicodeCompact(uri, { ecc: 'L', border: 2 });
}
