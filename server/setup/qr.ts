/** A profile URI as a picture that a phone reads off the terminal. The library is loaded only when somebody wants one. */

/** Lines of half-block characters, dark on light whatever the terminal's colours are. Holds the secret, as the URI does. */
export async function qrCode(uri: string): Promise<string> {
  const { renderUnicodeCompact } = await import('uqr');
  return renderUnicodeCompact(uri, { ecc: 'L', border: 2 });
}
