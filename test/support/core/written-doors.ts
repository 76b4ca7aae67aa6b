/** Doors of knockd's kind for tests of the daemon, and their log lines in knockd's words. */
import type { FileDoor, StaticDoor } from '../../../server/config/config.ts';
import type { CommandAction } from '../../../server/firewall/firewall.ts';
import { knockOf, type Pair } from '../../../shared/knock.ts';
import type { DaemonBench } from '../daemon/daemon-bench.ts';

const TERMS = { order: 'strict', lookAhead: 1, seqTimeoutMs: 5000, grantMs: 10_000 } as const;

export function staticDoor(name: string, pairs: readonly Pair[], action: Partial<CommandAction> = {}): StaticDoor {
  return {
    kind: 'static',
    name,
    policy: { ...TERMS, name, mode: 'static' },
    sequence: pairs.map(knockOf),
    action: { kind: 'command', start: `/bin/${name} %IP%`, ...action },
  };
}

export function fileDoor(name: string, action: Partial<CommandAction> = {}): FileDoor {
  return {
    kind: 'file',
    name,
    policy: { ...TERMS, name, mode: 'file' },
    file: `/etc/knockd/${name}`,
    action: { kind: 'command', start: `/bin/${name} %IP%`, ...action },
  };
}

/** Lines of the log in knockd's words. */
export function knockdLines(bench: DaemonBench): string[] {
  return bench.lines.filter((line) => line.startsWith('knockd ')).map((line) => line.slice('knockd '.length));
}
