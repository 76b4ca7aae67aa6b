/** `knock-otpd explain`: a file, or the running daemon. */
import { KnockError } from '../../shared/errors.ts';
import type { LoadedServer } from '../config/load-server.ts';
import { type ExplainTalk, explainFile, type ExplainFlags as FileFlags } from './explain-file.ts';
import { explainLive } from './explain-live.ts';

export interface ExplainFlags extends FileFlags {
  readonly live?: boolean;
}

/** @throws KnockError USAGE, CAPTURE, CONTROL */
export async function explain(
  path: string | undefined,
  flags: ExplainFlags,
  load: () => Promise<LoadedServer>,
  talk: ExplainTalk,
): Promise<void> {
  if (flags.live !== true) {
    if (path === undefined) throw new KnockError('USAGE', 'explain needs a capture file, or --live');
    await explainFile(path, await load(), flags, talk);
    return;
  }
  if (path !== undefined || flags.at !== undefined || flags.own !== undefined) {
    throw new KnockError('USAGE', '--live explains what the daemon hears: do not use it with a file, --at or --own');
  }
  const { config } = await load();
  const end = new AbortController();
  const leave = () => end.abort();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, leave);
  try {
    await explainLive(config, flags, talk, end.signal);
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, leave);
  }
}
