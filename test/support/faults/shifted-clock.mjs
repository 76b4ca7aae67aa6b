/**
 * Preloaded (`node --import`) into a program under test: its wall clock is off by the milliseconds in the file named by
 * KNOCK_OTP_TEST_CLOCK, read anew each time, so that a test can set a running program's clock. Monotonic clocks stay.
 */
import { readFileSync } from 'node:fs';

const file = process.env.KNOCK_OTP_TEST_CLOCK;
const RealDate = Date;
const offset = () => (file === undefined ? 0 : Number(readFileSync(file, 'utf8')));

globalThis.Date = class extends RealDate {
  constructor(...args) {
    super(...(args.length === 0 ? [RealDate.now() + offset()] : args));
  }
  static now() {
    return RealDate.now() + offset();
  }
};
