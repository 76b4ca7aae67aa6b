/**
 * A run of knocks at one host: reserves a factor, sends its sequence, watches the port, repeats on loss, and goes on to
 * the next factor or address within a bounded time. retry-times.ts has the numbers; sockets and clocks come in as deps.
 */
import { derivationKey, deriveAttempt } from '../../shared/derive.ts';
import { KnockError } from '../../shared/errors.ts';
import { profileShape } from '../../shared/formats/profile-uri.ts';
import type { Knock } from '../../shared/knock.ts';
import { nothingSent, reachableAddresses } from '../address/reachable-addresses.ts';
import type { PublicAddress } from '../address/source-options.ts';
import type { Address, ProbeSeen } from '../deps.ts';
import type { FactorLedger } from '../factors/factor-ledger.ts';
import type { FactorPlan } from '../factors/factor-plan.ts';
import { nextFactor } from '../factors/next-factor.ts';
import { type AttemptOutcome, attempt, type Edges } from './attempt.ts';
import { doorClosed, heldByOtherRun } from './failure-messages.ts';
import type { KnockEvent } from './knock-events.ts';
import type { KnockRequest, Opening } from './knock-request.ts';
import { checkIfOpen, type OpenCheck } from './open-check.ts';
import { BLIND_RESEND_AFTER_MS, factorBudget, PATIENCE_MS, RESEND_AFTER_MS, STRICT_GAP_MS } from './retry-times.ts';

type Listener = (event: KnockEvent) => void;

/**
 * Knocks until the door is open. One result for each requested family: with `both`, one may open and the other not.
 * @returns nothing when the signal ended the run; else openings, and errors DOOR_CLOSED, FACTOR_USED, NETWORK or STORE
 * as values
 */
export async function knock(
  request: KnockRequest,
  ledger: FactorLedger,
  edges: Edges,
  listener: Listener,
): Promise<readonly (Opening | KnockError)[]> {
  const startedMs = edges.clock.monotonicMs();
  const run = new Run(request, ledger, edges, listener, startedMs + request.timeoutMs);
  const results: (Opening | KnockError)[] = [];
  // One after the other: the first address that completes a factor spends it, so each family needs its own.
  for (const family of request.families === 'both' ? ([4, 6] as const) : [request.families]) {
    try {
      results.push(await run.at(family === 'any' ? 0 : family));
    } catch (error) {
      if (!(error instanceof KnockError)) throw error;
      // The caller that ended the run needs no error.
      if (request.signal?.aborted) return results;
      results.push(error);
    }
  }
  return results;
}

class Run {
  readonly #request: KnockRequest;
  readonly #ledger: FactorLedger;
  readonly #edges: Edges;
  readonly #listener: Listener;
  readonly #deadlineMs: number;

  constructor(request: KnockRequest, ledger: FactorLedger, edges: Edges, listener: Listener, deadlineMs: number) {
    this.#request = request;
    this.#ledger = ledger;
    this.#edges = edges;
    this.#listener = listener;
    this.#deadlineMs = deadlineMs;
  }

  async at(family: 0 | 4 | 6): Promise<Opening> {
    const startedMs = this.#edges.clock.monotonicMs();
    const { target, name } = this.#request;
    const addresses = await reachableAddresses(target, family, name, this.#edges.network);
    const check = await this.#checkIfOpen(addresses);
    if (check?.kind === 'open') {
      const { address, socket } = check;
      return { address, factor: undefined, elapsedMs: this.#edges.clock.monotonicMs() - startedMs, socket };
    }
    if (check?.kind === 'late') throw heldByOtherRun(name);
    try {
      return await this.#knock(addresses, startedMs);
    } finally {
      await check?.lease.release();
    }
  }

  /** Undefined when other runs are ignored, or nothing is verified. */
  async #checkIfOpen(addresses: readonly [Address, ...Address[]]): Promise<OpenCheck | undefined> {
    const { otherRuns, verifyPort, signal } = this.#request;
    if (otherRuns === undefined || verifyPort === undefined) return undefined;
    const onBusy = () => this.#listener({ kind: 'sharing' });
    return await checkIfOpen(
      { ...otherRuns, addresses, port: verifyPort, leftMs: this.#leftMs(), signal, onBusy },
      this.#edges,
    );
  }

  async #knock(addresses: readonly Address[], startedMs: number): Promise<Opening> {
    const { profile, secret } = this.#request;
    const key = derivationKey(await secret());
    const shape = profileShape(profile);
    const seen: ProbeSeen = { refused: 0, unreachable: 0 };
    const failures: string[] = [];
    let mayBeEarly = true;
    let factors = 0;
    let packets = 0;
    let source: PublicAddress | undefined;
    for (; factors < factorBudget(addresses.length) && this.#leftMs() > 0 && !this.#ended(); factors += 1) {
      const address = addresses[factors % addresses.length];
      if (address === undefined) break;
      source = await this.#sourceFor(address);
      const plan = await this.#nextFactor(mayBeEarly, factors > 0);
      if (plan === undefined) break;
      this.#listener({ kind: 'knocking', address, factor: plan.factor, resolved: addresses });
      const knocks = deriveAttempt(key, profile, plan.factor, shape, source?.bytes);
      const { report, socket } = await this.#try(address, knocks, seen);
      packets += report.sent;
      failures.push(...report.failures);
      const open = socket !== undefined || (this.#request.verifyPort === undefined && report.sent > 0);
      if (open) {
        await this.#remember(address, seen, plan.factor, socket?.localAddress);
        return { address, factor: plan.factor, elapsedMs: this.#edges.clock.monotonicMs() - startedMs, socket };
      }
      // An early step that failed hints at a clock that is ahead: the next step is not sent early.
      if (plan.early) mayBeEarly = false;
    }
    if (packets === 0) throw nothingSent(this.#request.name, addresses, failures);
    const elapsedMs = this.#edges.clock.monotonicMs() - startedMs;
    throw doorClosed(this.#request, addresses, { factors, elapsedMs, seen, source });
  }

  async #nextFactor(mayBeEarly: boolean, triedBefore: boolean): Promise<FactorPlan | undefined> {
    const { profile, name, signal } = this.#request;
    return await nextFactor({
      profile,
      name,
      ledger: this.#ledger,
      clock: this.#edges.clock,
      mayBeEarly,
      triedBefore,
      leftMs: () => this.#leftMs(),
      signal,
      onWait: (waitMs) => this.#listener({ kind: 'waiting', waitMs }),
    });
  }

  /** Undefined for a door that does not bind to the source. Determined before a factor is spent. */
  async #sourceFor(address: Address): Promise<PublicAddress | undefined> {
    const { profile, source = {} } = this.#request;
    if (profile.bindsSource !== true) return undefined;
    const { publicAddress } = await import('../address/public-address.ts');
    return await publicAddress(address, profile, source, this.#edges.network);
  }

  async #try(address: Address, knocks: readonly Knock[], seen: ProbeSeen): Promise<AttemptOutcome> {
    const { profile, verifyPort, gapMs } = this.#request;
    return await attempt(
      {
        address,
        knocks,
        order: profile.order,
        gapMs: gapMs ?? (profile.order === 'strict' ? STRICT_GAP_MS : 0),
        resendAfterMs: verifyPort === undefined ? BLIND_RESEND_AFTER_MS : RESEND_AFTER_MS,
        verifyPort,
        patienceMs: Math.min(PATIENCE_MS, this.#leftMs()),
        signal: this.#request.signal,
      },
      this.#edges,
      seen,
      this.#listener,
    );
  }

  async #remember({ address }: Address, { rttMs }: ProbeSeen, factor: number, from: string | undefined): Promise<void> {
    const { otherRuns, verifyPort: port } = this.#request;
    if (rttMs === undefined || port === undefined) return;
    await otherRuns?.memory.remember({ address, port, rttMs, atMs: this.#edges.clock.wallMs(), factor, from });
  }

  #ended(): boolean {
    return this.#request.signal?.aborted === true;
  }

  #leftMs(): number {
    return this.#deadlineMs - this.#edges.clock.monotonicMs();
  }
}
