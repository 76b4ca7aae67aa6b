/**
 * Converts the daemon's status into metrics. Every label comes from the configuration: doors, clients, interfaces, reasons.
 * A source's address is never a label: strangers would decide the number of series, and watching the metrics must not
 * reveal who knocks.
 */
import type { Status } from '../daemon/status.ts';
import type { Histogram, HistogramMetric, Metric } from './exposition.ts';

/** Bucket bounds in seconds: a healthy disk stays below the first. */
export const SPEND_BOUNDS: readonly number[] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1];

const COUNTERS = [
  ['packets', 'Packets that the capture delivered.'],
  ['eligible', 'Packets that counted at a door.'],
  ['strays', 'Counted packets that belong to no live sequence.'],
  ['opened', 'Openings, extensions included.'],
  ['failed', 'Openings that failed after a valid knock.'],
  ['serviceStarts', 'Services that knocks started.'],
  ['serviceStops', 'Services stopped because they were idle.'],
  ['evictedSources', 'Sources forgotten for lack of room.'],
] as const;

const GAUGES = [
  ['attempts', 'Sources with an incomplete sequence.'],
  ['trackedSources', 'Sources in memory.'],
  ['liveSequences', 'Sequences that are live.'],
  ['unwrittenSpends', 'Used sequences not stored yet.'],
] as const;

export function daemonMetrics(status: Status, spends: Histogram): readonly (Metric | HistogramMetric)[] {
  const { interfaces, doors, clients, services, counters } = status;
  const one = (name: string, help: string, value: number | boolean): Metric => ({
    ...{ name: `knock_otp_${name}`, type: 'gauge', help, samples: [{ value: Number(value) }] },
  });
  const each = <T>(
    type: Metric['type'],
    name: string,
    help: string,
    items: readonly T[],
    sample: (item: T) => { readonly labels: Readonly<Record<string, string>>; readonly value: number | undefined },
  ): Metric => {
    const samples = items.map(sample).flatMap(({ labels, value }) => (value === undefined ? [] : [{ labels, value }]));
    return { name: `knock_otp_${name}`, type, help, samples };
  };
  return [
    {
      ...{ name: 'knock_otp_build_info', type: 'gauge', help: 'The version that runs.' },
      samples: [{ labels: { version: status.version }, value: 1 }],
    },
    one('start_time_seconds', 'When the daemon started, in Unix seconds.', status.startedAt / 1000),
    one('healthy', 'Whether all interfaces are captured and the guard is in place.', status.healthy),
    one('guard_stands', "Whether the firewall's guard is in place.", status.guardStands),
    one('clock_trusted', 'Whether the clock is not before a time already seen.', status.clockTrusted),
    ...COUNTERS.map(([key, help]) => ({
      ...{ name: `knock_otp_${snake(key)}_total`, type: 'counter' as const, help },
      samples: [{ value: counters[key] ?? 0 }],
    })),
    ...GAUGES.map(([key, help]) => one(snake(key), help, counters[key] ?? 0)),
    each(
      'counter',
      'refusals_total',
      'Complete knocks that opened nothing.',
      entries(status.refusals),
      ([reason, value]) => ({
        ...{ labels: { reason }, value },
      }),
    ),
    each('gauge', 'service_up', 'Whether a service on demand runs; absent when unknown.', services, (one) => ({
      ...{ labels: { door: one.door }, value: one.state === 'unknown' ? undefined : Number(one.state !== 'stopped') },
    })),
    each('gauge', 'service_connections', 'Connections to a service on demand.', services, (one) => ({
      ...{ labels: { door: one.door }, value: one.connections },
    })),
    each('gauge', 'service_idle_seconds', 'How long it has been idle; absent while in use.', services, (one) => ({
      ...{ labels: { door: one.door }, value: one.idleSeconds },
    })),
    each('gauge', 'capture_up', 'Whether the interface is captured.', interfaces, (one) => ({
      ...{ labels: { interface: one.interface }, value: Number(one.state === 'listening') },
    })),
    each('counter', 'capture_packets_total', 'Packets captured.', interfaces, (one) => ({
      ...{ labels: { interface: one.interface }, value: one.received },
    })),
    each('counter', 'capture_dropped_total', 'Packets lost because the daemon was too slow.', interfaces, (one) => ({
      ...{ labels: { interface: one.interface }, value: one.dropped },
    })),
    each('counter', 'capture_restarts_total', 'Restarts of the capture.', interfaces, (one) => ({
      ...{ labels: { interface: one.interface }, value: one.restarts },
    })),
    each('gauge', 'grants_open', 'Sources let in now.', doors, ({ name: door, openFor: value }) => ({
      ...{ labels: { door }, value },
    })),
    each('gauge', 'sequences_left', 'Unspent lines of one-time files.', doors, ({ name: door, linesLeft: value }) => ({
      ...{ labels: { door }, value },
    })),
    each('gauge', 'client_drift_steps', "How far a client's clock is ahead, in time steps.", clients, (one) => ({
      ...{ labels: { door: one.door, client: one.name }, value: one.drift },
    })),
    each('gauge', 'client_last_use_seconds', 'When a client last opened a door, in Unix seconds.', clients, (one) => ({
      ...{
        labels: { door: one.door, client: one.name },
        value: one.lastUse === undefined ? undefined : one.lastUse / 1000,
      },
    })),
    {
      ...{ name: 'knock_otp_spend_duration_seconds', type: 'histogram', help: 'Time until a use was durably stored.' },
      histogram: spends,
    },
  ];
}

function entries(record: Readonly<Record<string, number>>): readonly (readonly [string, number])[] {
  return Object.entries(record);
}

function snake(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
