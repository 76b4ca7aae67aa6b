/**
 * Formats metrics as Prometheus text, version 0.0.4. Own code instead of prom-client, which would bring OpenTelemetry's
 * interface and a statistics library into a process with secrets, only to format a page of text.
 */

export interface Sample {
  /** Values may be any text; names are fixed in the code. */
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

/** Counts observations by upper bounds, given in ascending order. */
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

/** Escapes backslashes, quotes and line feeds for a label's value. */
function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
