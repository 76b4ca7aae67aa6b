/**
 * A server and a client as documents describe them: programs in the path, the name in /etc/hosts, ssh set up for the
 * user. Tests type lines of documents there.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { NetworkHost } from '../../../scripts/lab/namespaces.ts';
import type { Finished, RunningProcess } from '../../../scripts/lab/running-process.ts';
import { type SshServer, startSshServer } from '../../../scripts/lab/ssh-server.ts';
import { Bastion } from './bastion.ts';
import { CLIENT_PROGRAM, SERVER_PROGRAM } from './built.ts';

/** Runs in its own mount namespace, with our files in /etc, and without any state of the host. */
const SCRIPT = `for file in "$0"/etc/*; do
  target=/etc/\${file##*/}
  [ -e "$target" ] || { mkdir -p "$0/whole" && cp -r --preserve=mode,links /etc/. "$0/whole" 2>/dev/null; : > "$0/whole/\${file##*/}"
    mount --bind "$0/whole" /etc; }
  mount --bind "$file" "$target"
done
mount -t tmpfs none /var/lib
cd "$0" && PATH="$0/bin:$PATH" exec bash -c "$1"`;

export class Stage implements AsyncDisposable {
  readonly bastion: Bastion;
  readonly #bin: string;
  readonly #sshd: SshServer;
  readonly #running: RunningProcess[] = [];

  private constructor(bastion: Bastion, sshd: SshServer) {
    this.bastion = bastion;
    this.#sshd = sshd;
    this.#bin = join(bastion.dir, 'bin');
  }

  static async set(): Promise<Stage> {
    const bastion = await Bastion.create({ serverId: 'bastion1', service: false });
    const stage = new Stage(bastion, await startSshServer(bastion.server, bastion.dir));
    const program = (file: string, args = '"$@"') => `#!/bin/sh\nexec ${process.execPath} ${file} ${args}\n`;
    const [ssh = '', ...flags] = stage.#sshd.command;
    const commands = {
      'knock-otp': program(CLIENT_PROGRAM),
      // The configuration that the document's line names is there.
      'knock-otpd': `#!/bin/sh\ncase " $* " in *" -c "*) ;; *) set -- "$@" -c ${bastion.configFile} ;; esac\n${program(SERVER_PROGRAM)}`,
      ssh: `#!/bin/sh\nexec /usr/bin/${ssh} ${flags.join(' ')} -o User=${stage.#sshd.user} "$@"\n`,
    };
    await mkdir(stage.#bin);
    for (const [name, text] of Object.entries(commands)) await writeFile(join(stage.#bin, name), text, { mode: 0o755 });
    await mkdir(join(bastion.dir, 'etc'));
    await stage.putIntoEtc('hosts', `${bastion.server.ipv4} bastion1.example.org bastion1\n`);
    return stage;
  }

  async putIntoEtc(name: string, text: string): Promise<void> {
    await writeFile(join(this.bastion.dir, 'etc', name), text);
  }

  /** Runs one line as a person types it, in the folder that both hosts share. */
  async type(host: NetworkHost, line: string): Promise<Finished> {
    const env = await this.bastion.clientHome(host);
    return await host.run(this.#words(line), { env, timeoutMs: 60_000 });
  }

  /** Starts one line and lets it run. */
  async begin(host: NetworkHost, line: string): Promise<RunningProcess> {
    const begun = host.spawn(this.#words(line), { env: await this.bastion.clientHome(host) });
    this.#running.push(begun);
    return begun;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#running, this.#sshd.process].map((each) => each.end('SIGKILL')));
    await this.bastion.dispose();
  }

  #words(line: string): readonly string[] {
    return ['unshare', '-m', 'sh', '-c', SCRIPT, this.bastion.dir, line];
  }
}
