/**
 * Scans, carried out: the administrator's command is run for a source, as a door's start command is, and bounded in time.
 * Who is a scanner and how often anybody is reported is server/core/scan-watch's knowledge, what to do about one the
 * command's; nothing of ours ends a ban.
 */
import { type AddressKey, formatAddress } from '../../../shared/address.ts';
import { isInNetwork } from '../../config/networks.ts';
import type { ScanOptions } from '../../config/sections/read-scans.ts';
import type { Scan } from '../../core/effects.ts';
import type { ScanLimits } from '../../core/scan-watch.ts';
import type { Log } from '../../log/log.ts';
import { createLogLimit } from '../../log/log-limit.ts';
import { argumentsFor, type CommandLine, parseCommandLine, parseShellLine } from '../../process/command-line.ts';
import { runCommand } from '../../process/run-command.ts';

/** Milliseconds, as for the commands of doors. */
const TIMEOUT_MS = 10_000;
const KIND = 'scan';

/** Never reported: whom the administrator names, and this host itself, whose address anybody can forge too. */
export function scanLimits(
  options: ScanOptions | undefined,
  isOwnAddress: (address: AddressKey) => boolean,
): ScanLimits | undefined {
  if (options === undefined) return undefined;
  const { threshold, neverBan } = options;
  const isExempt = (source: AddressKey) =>
    isOwnAddress(source) || neverBan.some((network) => isInNetwork(network, source));
  return { threshold, isExempt };
}

export class ScanReports {
  readonly #command: CommandLine | undefined;
  readonly #log: Log;
  /** What is held back is counted here, and nothing else. */
  readonly #heldBack = createLogLimit(0);

  /** @throws KnockError CONFIG_INVALID when the command cannot be run as it stands */
  constructor(options: ScanOptions | undefined, log: Log) {
    this.#log = log;
    if (options !== undefined) this.#command = (options.shell ? parseShellLine : parseCommandLine)(options.command);
  }

  /** On the packet path: the command is started after it. */
  report({ source, isHeldBack }: Scan, monoMs: number): void {
    const command = this.#command;
    if (command === undefined) return;
    if (isHeldBack) this.#heldBack.allow(KIND, monoMs);
    else setImmediate(() => void this.#run(command, source));
  }

  /** Says how many were held back in the minute that has ended. */
  onTick(monoMs: number): void {
    for (const { suppressed } of this.#heldBack.drain(monoMs)) {
      this.#log.warn('more scans, of which the command was not told', { times: suppressed });
    }
  }

  async #run(command: CommandLine, source: AddressKey): Promise<void> {
    const address = formatAddress(source);
    this.#log.warn('scan: the scan_command is told', { source: address });
    try {
      await runCommand({
        program: command.program,
        arguments: argumentsFor(command, source),
        environment: { KNOCK_OTP_IP: address },
        timeoutMs: TIMEOUT_MS,
      });
    } catch (error) {
      const reason = error instanceof Error ? error.message : 'unknown';
      this.#log.error('the scan_command failed', { source: address, reason });
    }
  }
}
