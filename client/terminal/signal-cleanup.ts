/**
 * Cleans up before a signal ends this process, then sends the signal again, so that the parent sees a signal: shells
 * report 130 for ^C and stop their loops.
 */
const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** @returns a function that cancels the clean-up */
export function tidyBeforeSignal(tidy: () => void): () => void {
  function end(signal: NodeJS.Signals): void {
    cancel();
    tidy();
    process.kill(process.pid, signal);
  }
  function cancel(): void {
    for (const signal of ENDING) process.off(signal, end);
  }
  for (const signal of ENDING) process.on(signal, end);
  return cancel;
}
