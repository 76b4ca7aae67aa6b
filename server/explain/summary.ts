/** The summary of an explanation: for each source and door, the best attempt and its outcomes. Bounded for any file. */
import type { ExplainedPacket } from './explain-capture.ts';
import type { TracedKnock } from './trace.ts';

export interface DoorSum {
  readonly door: string;
  readonly client: string;
  /** The most knocks that counted in one attempt. */
  best: number;
  readonly of: number;
  opened: number;
  refused: Record<string, number>;
  /** Why the best attempt last lost its earlier knocks. */
  lost?: TracedKnock['lost'];
}

export interface SourceSum {
  readonly source: string;
  packets: number;
  counted: number;
  readonly doors: DoorSum[];
}

export interface Summary {
  readonly packets: number;
  readonly counted: number;
  readonly opened: number;
  /** By reason. */
  readonly ignored: Readonly<Record<string, number>>;
  readonly sources: readonly SourceSum[];
  /** Packets of sources that `sources` does not have. */
  readonly moreSources: number;
}

const MAX_SOURCES = 1_000;
const MAX_DOORS = 100;
const MAX_REASONS = 100;

export class Sum {
  readonly #sources = new Map<string, SourceSum>();
  readonly #ignored = new Map<string, number>();
  #packets = 0;
  #counted = 0;
  #opened = 0;
  #more = 0;

  add(packet: ExplainedPacket): void {
    this.#packets += 1;
    const { ignored } = packet;
    if (ignored !== undefined) {
      const reason = this.#ignored.has(ignored) || this.#ignored.size < MAX_REASONS ? ignored : 'others';
      this.#ignored.set(reason, (this.#ignored.get(reason) ?? 0) + 1);
      return;
    }
    if (!('knocks' in packet)) return;
    this.#counted += 1;
    const { source, knocks, outcomes } = packet;
    this.#opened += outcomes.filter(({ opens }) => opens).length;
    const sum = this.#sources.get(source) ?? { source, packets: 0, counted: 0, doors: [] };
    if (!this.#sources.has(source)) {
      // A source with knocks replaces a source without any.
      if (this.#sources.size >= MAX_SOURCES && knocks.length === 0) {
        this.#more += 1;
        return;
      }
      if (this.#sources.size >= MAX_SOURCES) this.#dropOne();
      this.#sources.set(source, sum);
    }
    sum.counted += 1;
    for (const knock of knocks) {
      const door = doorOf(sum, knock);
      if (knock.knock >= door.best) {
        door.best = knock.knock;
        if (knock.lost !== undefined) door.lost = knock.lost;
      } else if (knock.lost !== undefined) door.lost ??= knock.lost;
    }
    for (const { door: name, client, opens, reason = '' } of outcomes) {
      const door = doorOf(sum, { door: name, client, of: 0 });
      if (opens) door.opened += 1;
      else door.refused[reason] = (door.refused[reason] ?? 0) + 1;
    }
  }

  result(): Summary {
    const sources = [...this.#sources.values()].sort(
      (a, b) => b.doors.length - a.doors.length || b.counted - a.counted,
    );
    return {
      packets: this.#packets,
      counted: this.#counted,
      opened: this.#opened,
      ignored: Object.fromEntries(this.#ignored),
      sources,
      moreSources: this.#more,
    };
  }

  #dropOne(): void {
    for (const [source, { doors }] of this.#sources) {
      if (doors.length > 0) continue;
      this.#sources.delete(source);
      this.#more += 1;
      return;
    }
  }
}

function doorOf(sum: SourceSum, { door, client, of }: Pick<TracedKnock, 'door' | 'client' | 'of'>): DoorSum {
  const existing = sum.doors.find((each) => each.door === door && each.client === client);
  if (existing !== undefined) return existing;
  const added: DoorSum = { door, client, best: 0, of, opened: 0, refused: {} };
  if (sum.doors.length < MAX_DOORS) sum.doors.push(added);
  return added;
}
