#!/bin/sh
# Boots systemd as process 1 of a machine made from this one: boot-systemd.sh FOLDER PROGRAM NODE_MODULES NODE
# Run it in its own mount, pid, uts, ipc and cgroup namespaces. Its root is an overlay of this machine's root, in memory. This
# machine's services are masked; /sys is read-only, and so is /proc/sys except its network part.
# PROGRAM (dist and package.json) is copied to /opt/knock-otp, NODE to /usr/local/bin.
set -eu
folder=$1 program=$2 modules=$3 node=$4

mount --make-rprivate /
mount -t tmpfs -o mode=755 none "$folder"
mkdir "$folder/upper" "$folder/work" "$folder/root"
mount -t overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" none "$folder/root"
root=$folder/root

mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount --bind "$root/proc/sys/net" "$root/proc/sys/net"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sys "$root/sys"
mount -t cgroup2 none "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 none "$root/dev"
for device in null zero full random urandom tty; do
  : >"$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 none "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs -o mode=755 none "$root/run"
mount -t tmpfs -o mode=1777 none "$root/tmp"
mount -t tmpfs -o mode=755 none "$root/etc/systemd/system"

mkdir -p "$root/opt/knock-otp/node_modules" "$root/usr/local/bin"
cp -r "$program/dist" "$program/package.json" "$root/opt/knock-otp/"
mount --rbind "$modules" "$root/opt/knock-otp/node_modules"
install -m 755 "$node" "$root/usr/local/bin/node"
chown -R 0:0 "$root/opt/knock-otp/dist"

cd "$root/etc/systemd/system"
for unit in \
  apparmor.service dbus.service systemd-binfmt.service systemd-boot-random-seed.service systemd-firstboot.service \
  systemd-hwdb-update.service systemd-machine-id-commit.service systemd-modules-load.service systemd-pcrphase.service \
  systemd-random-seed.service systemd-remount-fs.service systemd-repart.service systemd-sysctl.service \
  systemd-sysusers.service systemd-timesyncd.service systemd-udev-settle.service systemd-udev-trigger.service \
  systemd-udevd.service systemd-update-utmp.service systemd-journald-audit.socket \
  dev-hugepages.mount dev-mqueue.mount proc-sys-fs-binfmt_misc.automount sys-fs-fuse-connections.mount \
  sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount tmp.mount; do
  ln -s /dev/null "$unit"
done
printf '[Unit]\nDescription=What a test starts\nRequires=basic.target\nAfter=basic.target\n' >world.target

cd "$root"
mkdir -p run/outer
pivot_root . run/outer
umount -l /run/outer
rmdir /run/outer
exec env -i container=knock-otp-test PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  "$([ -x /lib/systemd/systemd ] && echo /lib/systemd/systemd || echo /usr/lib/systemd/systemd)" \
  --system --unit=world.target --show-status=0 --log-target=journal
