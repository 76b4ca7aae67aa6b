/** Computes which packets the doors of a configuration need. The capture filters all others in the kernel. */
import type { AddressKey } from '../../shared/address.ts';
import { formatPortRanges } from '../../shared/allowed-ports.ts';
import type { CaptureScope } from '../capture/capture.ts';
import type { ListenedDoor } from '../capture/listen/cohorts.ts';
import { isOpening, OPENING_PACKETS } from '../core/door.ts';
import type { ConfiguredDoor } from './config.ts';

export function captureScopeOf(doors: readonly ConfiguredDoor[]): CaptureScope {
  return {
    udp: doors.some(usesUdp),
    tcp: doors.every(({ policy }) => isOpening(('tcpFlags' in policy && policy.tcpFlags) || OPENING_PACKETS))
      ? 'opening'
      : 'any',
  };
}

/** The destination addresses that the doors watch, and the longest time that a source may take for a sequence. */
export function watchedBy(doors: readonly ConfiguredDoor[]): {
  readonly ownAddresses: boolean;
  readonly targets: readonly AddressKey[];
  readonly longestTimeoutMs: number;
} {
  const targets = doors.map(({ policy }) => policy.target);
  return {
    ownAddresses: targets.includes(undefined),
    targets: [...new Set(targets.filter((target) => target !== undefined))],
    longestTimeoutMs: Math.max(0, ...doors.map(({ policy }) => policy.seqTimeoutMs)),
  };
}

/** The doors of `capture = listen`, with everything that their ports follow from. */
export function listenedDoors(doors: readonly ConfiguredDoor[]): readonly ListenedDoor[] {
  return doors.flatMap((door) => {
    if (door.kind !== 'derived' || door.listenPorts === undefined) return [];
    const { name, range, exclude, policy, listenPorts } = door;
    const { ports, protocols, knocks } = policy.shape;
    return {
      name,
      ports,
      protocols,
      size: listenPorts,
      stepMs: policy.stepSeconds * 1000,
      window: policy.window,
      seqTimeoutMs: policy.seqTimeoutMs,
      shape: `${knocks} ${protocols} of ${formatPortRanges(range)} without ${formatPortRanges(exclude)}, ${listenPorts}`,
    };
  });
}

function usesUdp(door: ConfiguredDoor): boolean {
  switch (door.kind) {
    case 'derived':
      return door.policy.shape.protocols !== 'tcp';
    case 'static':
      return door.sequence.some(({ protocol }) => protocol === 'udp');
    case 'file':
      // The lines of the file change while the daemon runs. The filter does not.
      return true;
  }
}
