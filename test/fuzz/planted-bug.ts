/** A reader with a bug behind five bytes, which random inputs would not find in a lifetime. It tests the fuzzer. */
import type { Target } from './target.ts';

export const target: Target = {
  seeds: [Uint8Array.of(0, 0, 0, 0, 0, 0)],
  maxLength: 16,
  run: (input) => {
    if (input[0] !== 0x4b) return;
    if (input[1] !== 0x6e) return;
    if (input[2] !== 0x6f) return;
    if (input[3] !== 0x63) return;
    if (input[4] === 0x6b) throw new Error('the planted bug');
  },
};
