/**
 * Preloaded (`node --import`) into a program under test: shifts its wall clock by the milliseconds in the file that
 * KNOCK_OTP_TEST_CLOCK names. Reads the file each time, so a test can set the clock of a running program. Monotonic
 * clocks do not change.
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
