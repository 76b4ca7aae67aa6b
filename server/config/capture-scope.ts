/** Which packets the doors of a configuration need to see. What they do not need, the kernel does not wake us for. */
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

/** Where the packets go that doors look at, and for how long a source may take over a knock. */
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

/** What listens for the doors that do. */
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
      // Its lines change while the daemon runs, and the filter does not.
      return true;
  }
}
