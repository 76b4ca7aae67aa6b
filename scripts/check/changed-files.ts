/** Asks git which files differ from a revision. */
import { execFileSync } from 'node:child_process';

/**
 * Changed, added and deleted files of the working tree against `revision`, and files that git does not track yet; paths
 * from `root`, sorted.
 * @throws Error when git knows no such revision
 */
export function changedFiles(root: string, revision: string): readonly string[] {
  const git = (...args: readonly string[]): readonly string[] =>
    execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
      .split('\0')
      .filter((file) => file !== '');
  let commit: string;
  try {
    commit = git('rev-parse', '--verify', '--end-of-options', `${revision}^{commit}`).join('').trim();
  } catch {
    throw new Error(`git knows no revision ${revision}`);
  }
  // A renamed file counts twice: the old name and the new name.
  const tracked = git('diff', '--name-only', '--no-renames', '-z', commit, '--');
  const untracked = git('ls-files', '--others', '--exclude-standard', '-z');
  return [...new Set([...tracked, ...untracked])].sort();
}
