/**
 * `knock-otpd install-service`: writes or removes the files that make the daemon a service of this machine's init
 * system. Parses the options, refuses unfit configurations, and reports. Enables and starts nothing: the administrator
 * does.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { KnockError, type Problem } from '../../shared/errors.ts';
import type { ServerConfig } from '../config/config.ts';
import { runProgram } from '../process/run-program.ts';
import { foreignPart, type Program, runningProgram } from './installed-program.ts';
import {
  enabledBy,
  filesFor,
  INITS,
  type Init,
  initUnder,
  removeServiceFiles,
  writeServiceFiles,
} from './service-files.ts';
import { isHidden, namedPaths } from './unit-needs.ts';

export interface ServiceDeps {
  readonly say: (line: string) => void;
  readonly print: (line: string) => void;
  readonly read: (self: Command) => Promise<ServerConfig>;
  /** The program that the service starts; default: this program. */
  readonly program?: Program;
}

interface ServiceFlags {
  readonly init?: Init;
  readonly root: string;
  readonly print?: boolean;
  readonly remove?: boolean;
}

/** Other characters would need quotes, and a unit needs other quotes than a shell. */
const PLAIN_PATH = /^\/[\w./@+,:-]*$/;

export function addServiceCommand(program: Command, deps: ServiceDeps): void {
  program
    .command('install-service')
    .description('write a systemd unit or an OpenRC script for the daemon; enables and starts nothing')
    .addOption(
      new Option('--init <system>', 'write for this init system, instead of the one on this machine').choices(INITS),
    )
    .option('--print', 'print the files, and write nothing')
    .option('--remove', 'remove the files that this command wrote')
    .option('--root <folder>', 'write below this folder, for example into the image of another system', '/')
    .action(async (_flags: unknown, self: Command) => {
      const flags = self.optsWithGlobals<ServiceFlags>();
      const root = resolve(flags.root);
      if (flags.remove === true) await remove(root, deps);
      else await install(await deps.read(self), { ...flags, root }, deps);
    });
}

async function install(config: ServerConfig, flags: ServiceFlags, { say, print, program }: ServiceDeps): Promise<void> {
  const { root } = flags;
  const init = flags.init ?? initUnder(root);
  if (init === undefined) {
    throw new KnockError('USAGE', 'found neither systemd nor OpenRC', {
      hint: 'contrib/ has an rc.d script and a line for cron; --init writes the files anyway',
    });
  }
  const running = program ?? (await runningProgram());
  refuseUnfit(init, config, running);
  const files = filesFor(init, config, running, root);
  if (flags.print === true) {
    print(
      files
        .map(({ path, text }) => `# ${path}\n${text}`)
        .join('\n')
        .trimEnd(),
    );
    return;
  }
  const removed = await writeServiceFiles(files, root);
  if (files.length === 0) say("the package's unit is enough for this configuration");
  else say('written:');
  if (init === 'systemd' && !running.notifies) {
    say(
      'koffi is not installed: the daemon cannot tell systemd when it is ready, and systemd does not notice when it hangs',
    );
  }
  for (const { path, what } of files) say(`  ${path}  ${what}`);
  for (const path of removed) say(`removed, no longer needed: ${path}`);
  say('the service is neither enabled nor started. next:');
  for (const line of init === 'systemd' ? SYSTEMD_NEXT : OPENRC_NEXT) say(`  ${line}`);
}

const SYSTEMD_NEXT = [
  'knock-otpd run --trial 5m            before the first knock: a trial that ends by itself',
  'systemctl daemon-reload',
  'systemctl enable --now knock-otpd    now, and at every start of the machine',
];
const OPENRC_NEXT = [
  'knock-otpd run --trial 5m            before the first knock: a trial that ends by itself',
  'rc-update add knock-otpd default     at every start of the machine',
  'rc-service knock-otpd start          now',
];

async function remove(root: string, { say }: ServiceDeps): Promise<void> {
  const enabled = enabledBy(root);
  if (enabled.length > 0 || (root === '/' && (await isActive()))) {
    throw new KnockError(
      'USAGE',
      `the service is ${enabled.length > 0 ? `enabled: ${enabled.join(', ')}` : 'running'}`,
      {
        hint: 'systemctl disable --now knock-otpd, or rc-service knock-otpd stop and rc-update del knock-otpd; then again',
      },
    );
  }
  const { removed, left } = removeServiceFiles(root);
  for (const path of removed) say(`removed: ${path}`);
  for (const path of left) say(`kept, because install-service did not write it: ${path}`);
  if (removed.length === 0) {
    say('found no file of install-service');
    return;
  }
  say('the doors stay shut until you change the firewall. next:');
  if (removed.some((path) => path.includes('/systemd/'))) say('  systemctl daemon-reload');
  say('  knock-otpd flush                     removes the guard: the ports are then open to everyone');
}

/** @throws KnockError CONFIG_INVALID with every problem that keeps the service from running, or gives root to a user */
function refuseUnfit(init: Init, config: ServerConfig, { node, main }: Program): void {
  const problems: Problem[] = [];
  const programs = [node, main].map((path) => ({ what: 'the program', path }));
  for (const { what, path } of [...programs, ...namedPaths(config)]) {
    if (!PLAIN_PATH.test(path)) {
      problems.push({
        message: `${what}: ${path} has characters that are special in a service file`,
        hint: 'rename it',
      });
    } else if (init === 'systemd' && isHidden(path)) {
      problems.push({
        message: `${what}: ${path} is in a folder that a service cannot see`,
        hint: 'move it, to /etc, /opt or /srv',
      });
    }
  }
  for (const { path } of programs) {
    const foreign = foreignPart(path);
    if (foreign !== undefined) {
      problems.push({
        message: `the program: ${foreign}, who would be root`,
        hint: 'install it as root, to /usr/local or /opt',
      });
    }
  }
  if (problems.length > 0) throw new KnockError('CONFIG_INVALID', 'this cannot be a service', { problems });
}

async function isActive(): Promise<boolean> {
  if (!existsSync('/run/systemd/system')) return false;
  return (await runProgram('systemctl', ['is-active', '--quiet', 'knock-otpd'])).status === 0;
}
