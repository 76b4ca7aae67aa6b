/**
 * A Debian as debootstrap makes it, for hosts that have nothing of this machine's: the smallest set of packages, ssh, and
 * an ordinary user. Kept in a folder of root's between runs, since it is a download of minutes; hosts lay their changes
 * over it (debian-host) and never write to it.
 */
import { copyFile, lstat, mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mustRun } from './running-process.ts';

export type Suite = 'bookworm' | 'trixie';

/** What a host has that is reached by ssh and kept up to date by apt; nothing that ours wants. */
const PACKAGES = ['ca-certificates', 'iproute2', 'openssh-client', 'openssh-server', 'sudo'];
/** What apt installs besides: Debian 13's own Node.js runs our programs, bookworm's is too old. `npm` is a package of its own. */
const MORE_PACKAGES: Readonly<Record<Suite, readonly string[]>> = {
  bookworm: [],
  trixie: ['nodejs', 'npm', 'g++', 'make', 'python3', 'libpcap-dev', 'nftables'],
};
/** The user of both hosts: in his own home, with sudo. */
export const USER = 'me';
/** Older than this, it is made anew: its packages would be those of the past. */
const KEPT_DAYS = 7;

/** The folder of the suite's root, made when it is not there. Needs real root. @throws Error with the output of debootstrap or apt */
export async function debianRoot(suite: Suite): Promise<string> {
  const shelf = join(tmpdir(), 'knock-otp-debian');
  await mkdir(shelf, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  // The temporary folder is everybody's: what somebody else put there would run as root.
  const found = await lstat(shelf);
  if (!found.isDirectory() || found.uid !== 0 || (found.mode & 0o077) !== 0) {
    throw new Error(`${shelf} is not a folder of root's alone: remove it`);
  }
  const root = join(shelf, suite);
  const made = await stat(root).catch(() => undefined);
  if (made !== undefined && Date.now() - made.mtimeMs < KEPT_DAYS * 86_400_000) return root;
  const draft = await mkdtemp(join(shelf, `${suite}-`));
  try {
    // Mounts of its own: what it mounts in the draft is gone when it ends in whatever way, before the draft is removed.
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

/** Unsafe is what dpkg does in the images of containers: nobody needs this host after a crash. */
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
