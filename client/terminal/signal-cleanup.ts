/**
 * What has to be put in order before a signal ends us. Then it does end us, so that whoever started us sees that it was a
 * signal: shells say 130 for ^C and stop their loops.
 */
const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** @returns takes it back */
export function tidyBeforeSignal(tidy: () => void): () => void {
  function end(signal: NodeJS.Signals): void {
    takeBack();
    tidy();
    process.kill(process.pid, signal);
  }
  function takeBack(): void {
    for (const signal of ENDING) process.off(signal, end);
  }
  for (const signal of ENDING) process.on(signal, end);
  return takeBack;
}
