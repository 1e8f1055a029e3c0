# Writes the root file system of a small Debian 12 (bookworm) as tar, from the Debian mirror that this host's apt uses.
# Called with the file to write; needs debootstrap and root.

tar_file=$1
export PATH="$PATH:/usr/sbin:/sbin" LC_ALL=C

if ! command -v debootstrap >/dev/null; then
  echo "debootstrap is not installed; repair: apt-get install debootstrap"
  exit 3
fi
if [ "$(id -u)" != 0 ]; then
  echo "debootstrap must run as root; repair: run nimbench as root once, or give an image to pull"
  exit 3
fi

# A host has many apt sources: the one that carries Debian's own bookworm. None: debootstrap knows a mirror itself.
mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 2>/dev/null | awk '$2 == "bookworm" { print $1; exit }')

root=$(mktemp -d "$PWD/root.XXXXXX")
clean() {
  for inner in proc sys; do
    if mountpoint -q "$root/$inner"; then umount "$root/$inner"; fi
  done
  rm -rf "$root"
}
trap clean EXIT
trap 'exit 143' TERM INT HUP

debootstrap --variant=minbase bookworm "$root" ${mirror:+"$mirror"}

# No service may start in a build, and apt keeps nothing that a layer would carry.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 0755 "$root/usr/sbin/policy-rc.d"
cat >"$root/etc/apt/apt.conf.d/90no-caches" <<'CONF'
APT::Keep-Downloaded-Packages "false";
Binary::apt::APT::Keep-Downloaded-Packages "false";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
CONF
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/* "$root"/var/cache/ldconfig/*
: >"$root/etc/machine-id"
rm -f "$root/etc/hostname" "$root/etc/resolv.conf" # this host's; a container gets its own

# Sorted and without the hour of the making: the same packages give the same bytes.
tar -C "$root" --sort=name --numeric-owner --mtime=@0 -cf "$tar_file" .
