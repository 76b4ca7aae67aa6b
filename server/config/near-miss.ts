/** Finds the known name closest to a mistyped one, for "did you mean" hints. */

/** Limits the cost of a distance, which is the product of both lengths. */
const MAX_WORD = 40;

/** The closest of `known` that is at most two edits, and a third of its length, away from `word`; ignores case. */
export function nearMiss(word: string, known: readonly string[]): string | undefined {
  if (word.length > MAX_WORD) return undefined;
  const typed = word.toLowerCase();
  let best: string | undefined;
  let bestEdits = Number.POSITIVE_INFINITY;
  for (const name of known) {
    const edits = distance(typed, name.toLowerCase());
    if (edits <= Math.min(2, Math.floor(name.length / 3)) && edits < bestEdits) {
      best = name;
      bestEdits = edits;
    }
  }
  return best;
}

/** Insertions, deletions, substitutions and swaps of neighbours (Damerau-Levenshtein, optimal string alignment). */
function distance(a: string, b: string): number {
  let older: number[] = [];
  let old = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const now = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const same = a[row - 1] === b[column - 1];
      let edits = Math.min((old[column] ?? 0) + 1, (now[column - 1] ?? 0) + 1, (old[column - 1] ?? 0) + (same ? 0 : 1));
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        edits = Math.min(edits, (older[column - 2] ?? 0) + 1);
      }
      now.push(edits);
    }
    older = old;
    old = now;
  }
  return old[b.length] ?? 0;
}
