/** `knock-otpd explain`: explains a capture file, or follows the running daemon. */
import { KnockError } from '../../shared/errors.ts';
import type { LoadedServer } from '../config/load-server.ts';
import { type ExplainOutput, explainFile, type ExplainFlags as FileFlags } from './explain-file.ts';
import { explainLive } from './explain-live.ts';

export interface ExplainFlags extends FileFlags {
  readonly live?: boolean;
}

/** @throws KnockError USAGE, CAPTURE, CONTROL */
export async function explain(
  path: string | undefined,
  flags: ExplainFlags,
  load: () => Promise<LoadedServer>,
  output: ExplainOutput,
): Promise<void> {
  if (flags.live !== true) {
    if (path === undefined) throw new KnockError('USAGE', 'explain needs a capture file, or --live');
    await explainFile(path, await load(), flags, output);
    return;
  }
  if (path !== undefined || flags.at !== undefined || flags.own !== undefined) {
    throw new KnockError(
      'USAGE',
      '--live explains the packets of the daemon: do not use it with a file, --at or --own',
    );
  }
  const { config } = await load();
  const end = new AbortController();
  const onSignal = () => end.abort();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, onSignal);
  try {
    await explainLive(config, flags, output, end.signal);
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, onSignal);
  }
}
