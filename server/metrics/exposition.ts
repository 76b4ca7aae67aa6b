/**
 * Prometheus' text format, version 0.0.4: metrics as data in, lines out. What is measured stands in daemon-metrics. Ours
 * rather than prom-client, which brings OpenTelemetry's interface and a statistics library into a process with secrets,
 * for what is a page of text about values that are kept elsewhere.
 */

export interface Sample {
  /** Values may be anything; names are ours. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Metric {
  readonly name: string;
  readonly type: 'counter' | 'gauge';
  readonly help: string;
  readonly samples: readonly Sample[];
}

export interface HistogramMetric {
  readonly name: string;
  readonly type: 'histogram';
  readonly help: string;
  readonly histogram: Histogram;
}

/** Counts observations by upper bounds, which are given in rising order. */
export class Histogram {
  readonly bounds: readonly number[];
  readonly counts: number[];
  sum = 0;
  total = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = bounds.map(() => 0);
  }

  observe(value: number): void {
    this.sum += value;
    this.total += 1;
    const at = this.bounds.findIndex((bound) => value <= bound);
    if (at >= 0) this.counts[at] = (this.counts[at] ?? 0) + 1;
  }
}

export function formatMetrics(metrics: readonly (Metric | HistogramMetric)[]): string {
  const lines = metrics.flatMap((metric) => [
    `# HELP ${metric.name} ${metric.help}`,
    `# TYPE ${metric.name} ${metric.type}`,
    ...(metric.type === 'histogram'
      ? histogramLines(metric)
      : metric.samples.map(({ labels = {}, value }) => line(metric.name, labels, value))),
  ]);
  return `${lines.join('\n')}\n`;
}

function histogramLines({ name, histogram }: HistogramMetric): readonly string[] {
  let below = 0;
  const buckets = histogram.bounds.map((bound, at) => {
    below += histogram.counts[at] ?? 0;
    return line(`${name}_bucket`, { le: `${bound}` }, below);
  });
  return [
    ...buckets,
    line(`${name}_bucket`, { le: '+Inf' }, histogram.total),
    line(`${name}_sum`, {}, histogram.sum),
    line(`${name}_count`, {}, histogram.total),
  ];
}

function line(name: string, labels: Readonly<Record<string, string>>, value: number): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escaped(text)}"`);
  return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}`;
}

/** In a label's value a backslash, a quote and a line feed are escaped. */
function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
