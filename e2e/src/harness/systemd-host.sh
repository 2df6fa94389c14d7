#!/bin/bash
# Becomes the systemd of a host of its own: in namespaces that the caller has made (mount, process, ipc, host name), on a copy of this
# machine's files that is gone with it. It shares this machine's network, Docker engine and /run/fnfleet.
#
#   systemd-host.sh <working folder> <files to lay over those of the machine> <repository> <name of a control group>
set -eu
work=$1 files=$2 repository=$3 group=$4
root=$work/root

# A control group of its own, so that this systemd takes no process of the machine for one of its own.
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then groups=/sys/fs/cgroup; else groups=/sys/fs/cgroup/systemd; fi
mkdir -p "$groups/$group"
echo $$ > "$groups/$group/cgroup.procs"

mount --make-rprivate /
mkdir -p "$work/scratch" "$root"
mount -t tmpfs scratch "$work/scratch"
mkdir "$work/scratch/upper" "$work/scratch/work" "$work/scratch/none"
cp -a "$files/." "$work/scratch/upper/"
mount -t overlay overlay -o "lowerdir=/,upperdir=$work/scratch/upper,workdir=$work/scratch/work" "$root"

mount -t proc proc "$root/proc"
# It must set nothing of the machine's kernel.
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,ro,bind "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"

mount -t tmpfs -o mode=755 dev "$root/dev"
for device in null zero full random urandom tty; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/shm" "$root/dev/pts" "$root/dev/mqueue" "$root/dev/hugepages"
mount -t devpts devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"

mount -t tmpfs tmp "$root/tmp"
mount -t tmpfs -o mode=755 run "$root/run"
mkdir -p /run/fnfleet "$root/run/fnfleet"
mount --bind /run/fnfleet "$root/run/fnfleet"
touch "$root/run/docker.sock"
mount --bind "$(readlink -f /var/run/docker.sock)" "$root/run/docker.sock"
mkdir -p "$root/opt/fnfleet"
mount --bind "$repository" "$root/opt/fnfleet"

# None of the machine's own services.
for wants in sysinit basic multi-user; do
  ! [ -d "$root/usr/lib/systemd/system/$wants.target.wants" ] ||
    mount --bind "$work/scratch/none" "$root/usr/lib/systemd/system/$wants.target.wants"
done

systemd-sysusers --root="$root" fnfleet.conf
chroot "$root" chown fnfleet: /etc/fnfleet/certs/api.key /etc/fnfleet/certs/lb.key

# The groups are seen from within its own from here on.
# shellcheck disable=SC2016
exec unshare --cgroup /bin/sh -c '
  root=$1
  if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    mount -t cgroup2 cgroup "$root/sys/fs/cgroup"
  else
    mount -t tmpfs -o mode=755 groups "$root/sys/fs/cgroup"
    for controller in cpu cpuacct memory freezer; do
      mkdir "$root/sys/fs/cgroup/$controller"
      mount --rbind "/sys/fs/cgroup/$controller" "$root/sys/fs/cgroup/$controller"
    done
    mkdir "$root/sys/fs/cgroup/systemd"
    mount -t cgroup -o none,name=systemd systemd "$root/sys/fs/cgroup/systemd"
  fi
  # Not by chroot alone: whoever is in one may have no user namespace.
  mkdir "$root/machine"
  cd "$root"
  pivot_root . machine
  exec env -i container=other PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin /bin/sh -c "
    umount -l /machine
    # As a systemd that boots a machine does: credentials come into the namespaces of services by this.
    mount --make-rshared /
    exec /usr/lib/systemd/systemd --unit=multi-user.target --log-target=null --show-status=no"
' systemd "$root"
