/** One line for an error in a log field: its message, and its cause's, never a stack. */
export function formatProblemOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
