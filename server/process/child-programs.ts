/**
 * How the programs are started that the daemon has beside its own: processes with less right, or with a longer life, than
 * itself. Knows where they are: among the sources, among what is compiled, or, as people have them, single files beside its
 * own. What they are told, and by which pipes, is their starters' business.
 */
import { fileURLToPath } from 'node:url';

/** Written into single files by scripts/build. */
declare const KNOCK_OTP_SINGLE_FILE: true | undefined;

const MODULES = {
  capture: '../capture/pcap/capture-child',
  listen: '../capture/listen/listen-child',
  keeper: '../trial/trial-keeper',
} as const;

export type ChildProgram = keyof typeof MODULES;

/** Started from its sources, for a test: then it is compiled by what stands in the working directory. */
export const isFromSource = import.meta.url.endsWith('.ts');

/** Words for Node that come before the program's own. */
export function childProgram(name: ChildProgram): readonly string[] {
  const from = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
  if (typeof KNOCK_OTP_SINGLE_FILE !== 'undefined') return [from(`./knock-otpd-${name}.cjs`)];
  return isFromSource ? ['--import', 'tsx', from(`${MODULES[name]}.ts`)] : [from(`${MODULES[name]}.js`)];
}
