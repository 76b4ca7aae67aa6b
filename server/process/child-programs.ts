/**
 * The command lines of the daemon's child programs: processes with fewer privileges, or a longer life, than the daemon.
 * Finds them among the sources, among the compiled files, or as single files next to the daemon's own.
 */
import { fileURLToPath } from 'node:url';

/** Defined by scripts/build in the single-file programs. */
declare const KNOCK_OTP_SINGLE_FILE: true | undefined;

const MODULES = {
  capture: '../capture/pcap/capture-child',
  listen: '../capture/listen/listen-child',
  keeper: '../trial/trial-keeper',
} as const;

export type ChildProgram = keyof typeof MODULES;

/** True when run from its sources, in a test: then the child needs the loader tsx from the working directory. */
export const isFromSource = import.meta.url.endsWith('.ts');

/** Arguments for Node that start the program; the program's own arguments follow. */
export function childProgram(name: ChildProgram): readonly string[] {
  const from = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
  if (typeof KNOCK_OTP_SINGLE_FILE !== 'undefined') return [from(`./knock-otpd-${name}.cjs`)];
  return isFromSource ? ['--import', 'tsx', from(`${MODULES[name]}.ts`)] : [from(`${MODULES[name]}.js`)];
}
