/**
 * The daemon's state as metrics. Every label comes from the configuration: names of doors, clients, interfaces and reasons.
 * A source's address is never one, since strangers would choose how many series there are, and who knocks is nobody's
 * business who only watches.
 */
import type { Status } from '../daemon/status.ts';
import type { Histogram, HistogramMetric, Metric } from './exposition.ts';

/** Seconds: a healthy disk takes less than the first. */
export const SPEND_BOUNDS: readonly number[] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1];

const COUNTERS = [
  ['packets', 'Packets that the capture handed over.'],
  ['eligible', 'Packets that counted at some door.'],
  ['strays', 'Packets that counted and belonged to no live sequence.'],
  ['opened', 'Openings, extensions included.'],
  ['failed', 'Openings that failed after a good knock.'],
  ['serviceStarts', 'Services that knocks have started.'],
  ['serviceStops', 'Services that were stopped for being idle.'],
  ['evictedSources', 'Sources forgotten for want of room.'],
] as const;

const GAUGES = [
  ['attempts', 'Sources that are on their way through a sequence.'],
  ['trackedSources', 'Sources that are remembered.'],
  ['liveSequences', 'Sequences that are watched for.'],
  ['unwrittenSpends', 'Used sequences that could not be stored yet.'],
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
    one('healthy', 'Whether every interface is heard and the guard stands.', status.healthy),
    one('guard_stands', "Whether the firewall's guard stands.", status.guardStands),
    one('clock_trusted', 'Whether the clock stands behind no time already seen.', status.clockTrusted),
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
    each('gauge', 'service_up', 'Whether a service on demand runs; absent where nobody knows.', services, (one) => ({
      ...{ labels: { door: one.door }, value: one.state === 'unknown' ? undefined : Number(one.state !== 'stopped') },
    })),
    each('gauge', 'service_connections', 'Connections to a service that was started on demand.', services, (one) => ({
      ...{ labels: { door: one.door }, value: one.connections },
    })),
    each('gauge', 'service_idle_seconds', 'Since when it is idle; absent while it is in use.', services, (one) => ({
      ...{ labels: { door: one.door }, value: one.idleSeconds },
    })),
    each('gauge', 'capture_up', 'Whether the interface is heard.', interfaces, (one) => ({
      ...{ labels: { interface: one.interface }, value: Number(one.state === 'listening') },
    })),
    each('counter', 'capture_packets_total', 'Packets heard.', interfaces, (one) => ({
      ...{ labels: { interface: one.interface }, value: one.received },
    })),
    each('counter', 'capture_dropped_total', 'Packets lost since the daemon did not keep up.', interfaces, (one) => ({
      ...{ labels: { interface: one.interface }, value: one.dropped },
    })),
    each('counter', 'capture_restarts_total', 'Times that listening was begun anew.', interfaces, (one) => ({
      ...{ labels: { interface: one.interface }, value: one.restarts },
    })),
    each('gauge', 'grants_open', 'Sources that are let in now.', doors, ({ name: door, openFor: value }) => ({
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
