/**
 * Makes a clean Debian with debootstrap: the smallest set of packages, ssh, and an ordinary user. A folder of root
 * keeps it between runs, because the download takes minutes. Hosts lay their changes over it (`debian-host.ts`) and
 * never write to it.
 */
import { copyFile, lstat, mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mustRun } from './running-process.ts';

export type Suite = 'bookworm' | 'trixie';

/** The packages of a server that its users reach by ssh and update by apt. None is there for knock-otp. */
const PACKAGES = ['ca-certificates', 'iproute2', 'openssh-client', 'openssh-server', 'sudo'];
/** Installed besides. Debian 13's own Node.js runs our programs; bookworm's is too old. `npm` is a package of its own. */
const MORE_PACKAGES: Readonly<Record<Suite, readonly string[]>> = {
  bookworm: [],
  trixie: ['nodejs', 'npm', 'g++', 'make', 'python3', 'libpcap-dev', 'nftables'],
};
/** The user of both hosts, with a home and sudo. */
export const USER = 'me';
/** An older Debian is replaced, because its packages are out of date. */
const KEPT_DAYS = 7;

/** The folder of the suite's root; makes it when it is missing. Needs real root. @throws Error with the output of debootstrap or apt */
export async function debianRoot(suite: Suite): Promise<string> {
  const shelf = join(tmpdir(), 'knock-otp-debian');
  await mkdir(shelf, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  // Every user can write to the temporary folder, and files from here run as root.
  const found = await lstat(shelf);
  if (!found.isDirectory() || found.uid !== 0 || (found.mode & 0o077) !== 0) {
    throw new Error(`${shelf} is not a folder of root's alone: remove it`);
  }
  const root = join(shelf, suite);
  const made = await stat(root).catch(() => undefined);
  if (made !== undefined && Date.now() - made.mtimeMs < KEPT_DAYS * 86_400_000) return root;
  const draft = await mkdtemp(join(shelf, `${suite}-`));
  try {
    // Its own mount namespace: mounts in the draft are gone when it ends, however it ends, before the draft is removed.
    const own = ['unshare', '--mount', '--'];
    await mustRun([...own, 'debootstrap', '--variant=minbase', `--include=${PACKAGES.join(',')}`, suite, draft], {
      timeoutMs: 600_000,
    });
    await mustRun(['chroot', draft, 'sh', '-ec', PREPARE], { timeoutMs: 60_000 });
    if (MORE_PACKAGES[suite].length > 0) {
      await copyFile('/etc/resolv.conf', join(draft, 'etc/resolv.conf'));
      await mustRun([...own, 'chroot', draft, 'sh', '-ec', INSTALL, 'install', ...MORE_PACKAGES[suite]], {
        timeoutMs: 900_000,
      });
    }
    await mustRun(['chmod', '755', draft]);
    await rm(root, { recursive: true, force: true });
    await rename(draft, root);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return root;
}

/** force-unsafe-io is what images of containers use: this host need not survive a crash. */
const PREPARE = `
useradd --create-home --shell /bin/bash ${USER}
echo '${USER} ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/${USER}
echo force-unsafe-io >/etc/dpkg/dpkg.cfg.d/container
install -d -m 700 /root/.ssh
install -d -m 700 -o ${USER} -g ${USER} /home/${USER}/.ssh
rm -f /etc/ssh/ssh_host_*
apt-get clean
`;

const INSTALL = `
export DEBIAN_FRONTEND=noninteractive
mount -t proc proc /proc
apt-get -q update
apt-get -q install -y --no-install-recommends "$@"
apt-get clean
`;
