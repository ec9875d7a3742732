#!/bin/bash
# boot-systemd.sh DIRECTORY CGROUP SHARED...: systemd as process 1 of a machine of its own: a copy-on-write view of this file system in DIRECTORY,
# with its own processes, mounts, network (loopback only), host name and control group. SHARED paths are visible in it, read-only.
# Everything ends with process 1, and nothing that runs inside changes a file outside.
set -euo pipefail
export machine=$1 cgroup=$2
shift 2
mkdir "$cgroup"
echo $$ >"$cgroup/cgroup.procs"
exec unshare --mount --pid --fork --kill-child --cgroup --uts --ipc --net bash -euo pipefail -c '
  mount --make-rprivate /
  mount -t tmpfs machine "$machine"
  mkdir "$machine"/{upper,work,root}
  root=$machine/root
  mount -t overlay machine -o "lowerdir=/,upperdir=$machine/upper,workdir=$machine/work" "$root"
  mount -t proc proc "$root/proc"
  # The kernel is the same one: what systemd would set in it stays as it is.
  mount --bind "$root/proc/sys" "$root/proc/sys"
  mount -o remount,bind,ro "$root/proc/sys"
  mount -t sysfs -o ro sysfs "$root/sys"
  mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
  mount --rbind /dev "$root/dev"
  mount -t tmpfs -o mode=755 run "$root/run"
  mount -t tmpfs -o mode=1777 tmp "$root/tmp"
  for shared; do
    mkdir -p "$root$shared"
    mount --bind "$shared" "$root$shared"
    mount -o remount,bind,ro "$root$shared"
  done
  ip link set lo up
  echo gpu-a >"$root/etc/hostname"
  echo "127.0.0.1 localhost gpu-a" >"$root/etc/hosts"
  cd "$root"
  pivot_root . mnt
  cd /
  umount -l /mnt
  # As systemd itself makes it outside of containers; credentials of services are mounted through this.
  mount --make-rshared /
  # Only what the guide asks for is started: no service that this machine happens to have installed, and no login.
  ln -sf /dev/null /etc/systemd/system/getty.target
  rm -rf /etc/systemd/system/multi-user.target.wants
  exec env -i container=infernode-test PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --unit=multi-user.target --show-status=no --log-target=null
' bash "$@"
