/** Formats an error for a log field in one line: its message and its cause's message, without a stack. */
export function formatProblemOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
