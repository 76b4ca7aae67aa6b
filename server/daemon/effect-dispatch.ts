/**
 * What becomes of the engine's effects: carried out, or said. Whatever a stranger can cause at will is said a few times a
 * minute and then counted.
 */
import { formatAddress } from '../../shared/address.ts';
import type { Clock } from '../clock/clock.ts';
import type { Admission, Contested, Effect, Ignored, Refusal, StageReached } from '../core/effects.ts';
import type { Log } from '../log/log.ts';
import { createLogLimit } from '../log/log-limit.ts';
import type { Admissions } from './admissions.ts';
import type { KnockdLogLines } from './knockd-log-lines.ts';
import type { ScanReports } from './watches/scan-reports.ts';

const REFUSALS_PER_MINUTE = 5;
/** Lines for each stage of each door. */
const STAGES_PER_MINUTE = 20;

export interface EffectDispatchDeps {
  readonly admissions: Admissions;
  readonly knockdLines: KnockdLogLines;
  readonly scans: ScanReports;
  readonly clock: Clock;
  readonly log: Log;
  /** Called when something was spent: counters further ahead have become acceptable. */
  readonly onSpent: () => void;
}

export class EffectDispatch {
  readonly #deps: EffectDispatchDeps;
  readonly #limit = createLogLimit(REFUSALS_PER_MINUTE);
  readonly #stages = createLogLimit(STAGES_PER_MINUTE);
  readonly #refusals: Partial<Record<Refusal['reason'], number>> = {};
  #contested = 0;

  constructor(deps: EffectDispatchDeps) {
    this.#deps = deps;
  }

  get refused(): number {
    return Object.values(this.#refusals).reduce((sum, number) => sum + number, 0);
  }

  /** Complete knocks that opened nothing, by reason. */
  get refusals(): Readonly<Record<string, number>> {
    return { ...this.#refusals };
  }

  /** One-time sequences that a second source has shown to know. */
  get contested(): number {
    return this.#contested;
  }

  /** On the packet path: synchronous, without I/O. */
  dispatch(effect: Effect): void {
    switch (effect.kind) {
      case 'admit':
        this.#admit(effect);
        break;
      case 'refuse':
        this.#refuse(effect);
        break;
      case 'stage':
        this.#sayStage(effect);
        break;
      case 'contested':
        this.#contest(effect);
        break;
      case 'ignored':
        this.#sayIgnored(effect);
        break;
      case 'scan':
        this.#deps.scans.report(effect, this.#deps.clock.now().monoMs);
        break;
    }
  }

  /** Says how many lines were held back in the minute that has ended. */
  onTick(): void {
    const { clock, log } = this.#deps;
    const { monoMs } = clock.now();
    this.#deps.scans.onTick(monoMs);
    for (const { key, suppressed } of this.#limit.drain(monoMs)) {
      log.warn('more refusals', { kind: key, lines: suppressed });
    }
    for (const { key, suppressed } of this.#stages.drain(monoMs)) {
      log.info('more knocks', { kind: key, lines: suppressed });
    }
  }

  #admit(admission: Admission): void {
    const { door, client, source } = admission;
    const { admissions, onSpent } = this.#deps;
    if (!admissions.admit(admission)) this.#refuse({ kind: 'refuse', door, client, source, reason: 'busy' });
    onSpent();
  }

  #refuse({ door, client, source, reason, other, spend }: Refusal): void {
    this.#refusals[reason] = (this.#refusals[reason] ?? 0) + 1;
    if (spend !== undefined) this.#waste({ door, client, source, spend });
    if (!this.#mayWarn(`${reason} ${door}`)) return;
    const rival = other === undefined ? {} : { other: formatAddress(other) };
    this.#deps.log.warn(`refused: ${reason}`, { door, client, source: formatAddress(source), ...rival });
  }

  /** Only who has seen a sequence can cause it, once for each; but whoever has seen many can come with all of them. */
  #contest({ door, client, source, other, spend, closes }: Contested): void {
    this.#contested += 1;
    if (spend !== undefined) this.#waste({ door, client, source, spend });
    if (closes !== undefined) this.#deps.admissions.closings.letOut(door, closes);
    if (!this.#mayWarn(`contested ${door}`)) return;
    const fields = { door, client, source: formatAddress(source), other: formatAddress(other) };
    const what = closes !== undefined ? ', and closed' : spend !== undefined ? ', and spent' : '';
    this.#deps.log.warn(`contested: two sources know one sequence${what}`, fields);
  }

  #waste(wasted: Parameters<Admissions['spendForNothing']>[0]): void {
    this.#deps.admissions.spendForNothing(wasted);
    this.#deps.onSpent();
  }

  /** Anybody can cause these at will: so many a minute, then their number. */
  #sayStage({ door, source, stage }: StageReached): void {
    if (!this.#stages.allow(`stage ${stage} ${door}`, this.#deps.clock.now().monoMs)) return;
    this.#deps.knockdLines.stage(door, source, stage);
  }

  /** A forger can cause it as often as he likes. */
  #sayIgnored({ door, source, forMs }: Ignored): void {
    if (!this.#mayWarn(`penalty ${door}`)) return;
    const fields = { door, source: formatAddress(source), seconds: forMs / 1000 };
    this.#deps.log.warn('penalty: a wrong combination, its source is ignored', fields);
  }

  #mayWarn(kind: string): boolean {
    return this.#limit.allow(kind, this.#deps.clock.now().monoMs);
  }
}
