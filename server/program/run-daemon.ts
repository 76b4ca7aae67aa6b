/**
 * `knock-otpd` itself: builds the real edges for a configuration, runs the daemon until a signal ends it, and cleans up
 * in order. Signals: TERM and INT stop, HUP reopens the log file and reads the configuration, clients and files of
 * sequences again.
 */
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { isIpv4 } from '../../shared/address.ts';
import { formatProblem, KnockError } from '../../shared/errors.ts';
import { ChosenCapture } from '../capture/chosen-capture.ts';
import { OwnAddresses } from '../capture/own-addresses.ts';
import { systemClock } from '../clock/clock.ts';
import { captureScopeOf, listenedDoors, watchedBy } from '../config/capture-scope.ts';
import { readClients } from '../config/clients/client-files.ts';
import type { ServerConfig } from '../config/config.ts';
import type { LoadedServer } from '../config/load-server.ts';
import { doorBudget } from '../config/stray-budget.ts';
import type { Request } from '../control/control-requests.ts';
import { type ControlListener, listenForControl } from '../control/control-server.ts';
import type { DaemonDeps } from '../daemon/composition.ts';
import { Daemon } from '../daemon/daemon.ts';
import { DoorsFirewall } from '../firewall/doors-firewall.ts';
import { NftablesFirewall } from '../firewall/nftables/nftables.ts';
import { otherBackends } from '../firewall/other-backends.ts';
import { touchedFirewalls } from '../firewall/touched-firewalls.ts';
import { formatProblemOf } from '../log/error-text.ts';
import type { Log } from '../log/log.ts';
import {
  createLog,
  fileSink,
  isJournalStream,
  type LogFormat,
  type LogSink,
  streamSink,
  syslogSink,
} from '../log/log-sinks.ts';
import { Notifier, type NotifierOptions } from '../log/notify-command.ts';
import { sourceNames } from '../log/source-names.ts';
import { daemonMetrics, SPEND_BOUNDS } from '../metrics/daemon-metrics.ts';
import { formatMetrics, Histogram } from '../metrics/exposition.ts';
import { type MetricsServer, serveMetrics } from '../metrics/metrics-server.ts';
import { timedStore } from '../metrics/timed-store.ts';
import { openNftRunner } from '../nft/open-nft-runner.ts';
import { type OneTimeDoor, OneTimeFiles } from '../one-time/one-time-files.ts';
import { connectServiceManager } from '../service/service-manager.ts';
import { Trial } from '../trial/trial.ts';
import { isInBackground, sayReady } from './background.ts';
import { openStoreOrShut } from './open-store.ts';
import { ReloadRequests } from './reload-requests.ts';

export interface RunOptions {
  readonly version: string;
  readonly loaded: LoadedServer;
  /** Reads the configuration again, as it was read first. */
  readonly load: () => Promise<LoadedServer>;
  readonly verbose: boolean;
  /** Names of sources in the log. */
  readonly lookup: boolean;
  readonly ipv4Only: boolean;
  /** Takes the guard away again after so many seconds unless somebody confirms. */
  readonly trialSeconds?: number;
  /** Where packets come from; capture processes when not given. */
  readonly createCapture?: DaemonDeps['createCapture'];
  readonly stderr: NodeJS.WritableStream;
}

/**
 * Runs until SIGTERM or SIGINT, or until a trial is over; resolves when everything is closed. False when a trial ended
 * without a confirmation. @throws KnockError when it cannot start
 */
export async function runDaemon(options: RunOptions): Promise<boolean> {
  const { stderr } = options;
  const { config, enrolments, startWarnings } = options.loaded;
  const sinks = logSinks(config, stderr);
  const notifier = config.notify && new Notifier({ ...config.notify, ...notifyTroubles(() => log) });
  const log = createLog({
    ...{ sinks, verbose: options.verbose, format: config.logFormat },
    ...(notifier === undefined ? {} : { onEntry: notifier.tell }),
  });
  for (const warning of startWarnings) log.warn(formatProblem(warning));
  const files = new OneTimeFiles({
    doors: fileDoorsOf(config),
    log,
    onLines: (door, lines) => daemon.setLines(door, lines),
  });
  const nft = await openNftRunner();
  const guardLoopback = config.interfaces.includes('lo');
  const firewall = new DoorsFirewall(
    {
      nftables: new NftablesFirewall(nft, { guardLoopback }),
      ...otherBackends({ guardLoopback, nft }),
    },
    touchedFirewalls(config.stateDir),
  );
  const service = await connectServiceManager({ environment: process.env, pid: process.pid }, (line) => log.warn(line));
  const store = await openStoreOrShut(config, firewall, log);
  const own = new OwnAddresses({ onChange: () => log.info('own addresses changed') });
  own.start();
  let control: ControlListener | undefined;
  let metrics: MetricsServer | undefined;
  const spends = new Histogram(SPEND_BOUNDS);
  const daemon = new Daemon({
    version: options.version,
    config,
    enrolments,
    store: timedStore(store, (seconds) => spends.observe(seconds)),
    firewall,
    clock: systemClock,
    log,
    lines: files,
    ipv4Only: options.ipv4Only,
    ...(options.lookup ? { nameOf: sourceNames() } : {}),
    isOwnAddress: (address) => own.has(address),
    maxStraysOf: (door, clients) => doorBudget(door, clients).maxStrays,
    readEnrolments: readClients,
    onDoors: (now) => files.setDoors(fileDoorsOf(now)),
    createCapture: options.createCapture ?? captureOf(log, own),
  });
  const reloads = new ReloadRequests(async () => {
    const report = await daemon.reload(async () => {
      const loaded = await options.load();
      for (const warning of loaded.startWarnings) log.warn(formatProblem(warning));
      return loaded;
    });
    await files.reread();
    return report;
  }, log);
  let isReady = false;
  let askedEarly = false;
  // The log knows what went wrong.
  const reload = () => void reloads.request().catch(() => undefined);
  const ended = waitForEnd(sinks, () => {
    if (isReady) reload();
    else askedEarly = true;
  });
  const trial =
    options.trialSeconds === undefined
      ? undefined
      : new Trial({
          seconds: options.trialSeconds,
          configFile: config.file,
          opened: () => daemon.status().counters['opened'] ?? 0,
          log,
        });
  try {
    writePidFile(config.pidFile);
    await files.start();
    await daemon.start();
    control = await listenForControl(
      config.stateDir,
      (request) => handle(daemon, reloads, trial, request),
      daemon.trace.follow,
    );
    if (config.metrics !== undefined) {
      metrics = await serveMetrics(config.metrics, () => formatMetrics(daemonMetrics(daemon.status(), spends)));
    }
    log.info('ready', { server: config.serverId, doors: config.doors.length, clients: enrolments.length });
    sayReady();
    service?.ready(`${config.doors.length} doors, listening on ${config.interfaces.join(', ')}`);
    service?.startWatchdog();
    isReady = true;
    if (askedEarly) reload();
    const end = await Promise.race([ended, ...(trial === undefined ? [] : [trial.run()])]);
    if (end !== undefined) log.info('stopping', { signal: end });
    return end !== undefined;
  } finally {
    service?.stopping();
    await metrics?.close();
    await control?.close();
    await daemon.stop();
    if (trial !== undefined && !trial.confirmed) {
      await firewall.purge();
      trial.dismissKeeper();
    }
    await files.stop();
    nft.close();
    own.stop();
    notifier?.stop();
    removePidFile(config.pidFile, log);
    await Promise.all(sinks.map((sink) => sink.close?.()));
    service?.close();
  }
}

function captureOf(log: Log, own: OwnAddresses): DaemonDeps['createCapture'] {
  return ({ capture, nflogGroup, interfaces, doors, stateDir }, listeners, live) =>
    new ChosenCapture({
      wanted: capture,
      group: nflogGroup,
      interfaces,
      ...captureScopeOf(doors),
      ...watchedBy(doors),
      ...listeners,
      live,
      stateDir,
      listenedDoors: listenedDoors(doors),
      ownAddress: (family) => [...own.all()].find((address) => isIpv4(address) === (family === 4)),
      onUnbound: ({ taken, refused }) =>
        log.warn('some ports cannot be bound: a sequence with one of them does not open', { taken, refused }),
      onFallback: (reason) => log.warn('capture by pcap: the kernel cannot choose packets here', { reason }),
    });
}

function notifyTroubles(log: () => Log): Pick<NotifierOptions, 'onFailure' | 'onSuppressed'> {
  return {
    onFailure: (error) => log().warn('the notify_command failed', { reason: formatProblemOf(error) }),
    onSuppressed: (lines) => log().warn('more notifications were due', { lines }),
  };
}

function logSinks(config: ServerConfig, stderr: NodeJS.WritableStream): readonly LogSink[] {
  const background = isInBackground();
  const format = config.logFormat;
  const isJournal = stderr === process.stderr && isJournalStream(2, process.env['JOURNAL_STREAM']);
  const console = streamSink(stderr, { format, isJournal });
  // Once the foreground process is gone, nobody reads this stderr.
  const isRead = (): boolean => !background || isInBackground();
  return [
    {
      write: (level, line) => (isRead() ? console.write(level, line) : undefined),
      writeKnockd: (line) => (isRead() ? console.writeKnockd(line) : undefined),
    },
    ...(config.logFile === undefined ? [] : [openLogFile(config.logFile, format)]),
    ...(config.useSyslog ? [syslogSink()] : []),
  ];
}

function openLogFile(path: string, format: LogFormat): LogSink {
  try {
    return fileSink(path, format);
  } catch (cause) {
    throw new KnockError('CONFIG_INVALID', `cannot write the log file ${path}`, {
      cause,
      hint: 'see logfile in [options]',
    });
  }
}

function writePidFile(path: string | undefined): void {
  if (path === undefined) return;
  try {
    writeFileSync(path, `${process.pid}\n`, { mode: 0o644 });
  } catch (cause) {
    throw new KnockError('CONFIG_INVALID', `cannot write the pid file ${path}: ${formatProblemOf(cause)}`, {
      cause,
      hint: 'see pidfile in [options]',
    });
  }
}

/** The doors are shut by then: a file that stays is no reason to end as if they were not. */
function removePidFile(path: string | undefined, log: Log): void {
  if (path === undefined) return;
  try {
    rmSync(path, { force: true });
  } catch (error) {
    log.warn('cannot remove the pid file', { file: path, reason: formatProblemOf(error) });
  }
}

function fileDoorsOf({ doors }: ServerConfig): readonly OneTimeDoor[] {
  return doors.flatMap((door) =>
    door.kind === 'file' ? [{ name: door.name, path: door.file, lookAhead: door.policy.lookAhead }] : [],
  );
}

async function handle(
  daemon: Daemon,
  reloads: ReloadRequests,
  trial: Trial | undefined,
  request: Request,
): Promise<unknown> {
  switch (request) {
    case 'status':
      return await daemon.freshStatus();
    case 'reload-clients':
      return await daemon.reloadClients();
    case 'reload':
      return await reloads.request();
    case 'accept-clock':
      return await daemon.acceptClock();
    case 'confirm':
      if (trial === undefined) throw new KnockError('USAGE', 'the daemon is not on trial');
      return trial.confirm();
  }
}

async function waitForEnd(sinks: readonly LogSink[], reload: () => void): Promise<NodeJS.Signals> {
  process.on('SIGHUP', () => {
    for (const sink of sinks) sink.reopen?.();
    reload();
  });
  const signals = ['SIGTERM', 'SIGINT'] as const;
  return await Promise.race(signals.map((signal) => once(process, signal).then(() => signal)));
}
