#!/bin/bash
# fresh.sh - is it true that a fresh Debian needs git, make and two commands?
#
#   tests/fresh.sh [-k] DIR [MIRROR]
#
# Bootstraps Debian 12 with nothing but git and make into DIR, clones this repository
# (its last commit) in it, and there runs `make run` until it is ready and the first graph
# stands, then `make test`.  Prints how long each took.  Takes root, a mirror and 20
# minutes; not part of make test.  -k keeps DIR.
set -euo pipefail

keep=
[ "${1:-}" != -k ] || { keep=1; shift; }
[ $# -ge 1 ] || { sed -n '4,11s/^# *//p' "$0" >&2; exit 2; }
root=$1
mirror=${2:-$(sed -n 's/^URIs: *//p; s/^deb \(\[[^]]*\] \)\?\(http[^ ]*\) .*/\2/p' \
    /etc/apt/sources.list /etc/apt/sources.list.d/*.sources 2>/dev/null | grep -m 1 '/debian/\?$' || :)}
mirror=${mirror:-http://deb.debian.org/debian}
top=$(cd "$(dirname "$0")/.." && pwd)

say() { echo "fresh: $*"; }
die() { echo "fresh: $*" >&2; exit 1; }
[ "$(id -u)" -eq 0 ] || die "needs root"
[ ! -e "$root" ] || die "$root: exists"

# Everything else happens with mounts and processes of its own, which end with it.
if [ -z "${FRESH_INSIDE:-}" ]; then
	code=0
	FRESH_INSIDE=1 unshare --mount --pid --fork --kill-child "$0" ${keep:+-k} "$root" "$mirror" || code=$?
	[ -n "$keep" ] || rm -rf --one-file-system "$root"
	exit $code
fi

begin=$SECONDS
say "Debian 12 from $mirror"
debootstrap --variant=minbase --include=git,make bookworm "$root" "$mirror" >/tmp/fresh.$$ 2>&1 ||
    { tail -n 5 /tmp/fresh.$$ >&2; rm -f /tmp/fresh.$$; die "debootstrap failed"; }
rm -f /tmp/fresh.$$
security=${mirror%/debian*}/debian-security
cat >"$root/etc/apt/sources.list" <<-END
	deb $mirror bookworm main
	deb $mirror bookworm-updates main
	deb $security bookworm-security main
END
cp /etc/resolv.conf "$root/etc/resolv.conf"
for file in /etc/apt/apt.conf.d/*proxy*; do
	[ ! -e "$file" ] || cp "$file" "$root/etc/apt/apt.conf.d/"
done
mount --make-rprivate /
mount --bind "$root" "$root"	# its / must be a mount of its own, as on a machine
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
mkdir "$root/src"
mount --bind -o ro "$top" "$root/src"
say "bootstrapped in $((SECONDS - begin)) s"

inside() { chroot "$root" /usr/bin/env -i -C "${in:-/}" HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb "$@"; }

inside git config --global --add safe.directory '*'
inside git clone -q /src /root/linkwatch
in=/root/linkwatch
ran=$root$in/run

# make run, up to the first graph
begin=$SECONDS
inside make run >"$root/run.log" 2>&1 &
while ! grep -q '^ready:' "$root/run.log"; do
	kill -0 $! 2>/dev/null || { tail -n 40 "$root/run.log" >&2; die "make run ended before it was ready"; }
	[ $((SECONDS - begin)) -lt 900 ] || { tail -n 40 "$root/run.log" >&2; die "make run is not ready after 900 s"; }
	sleep 0.5
done
say "make run is ready after $((SECONDS - begin)) s: $(grep '^ready:' "$root/run.log")"
begin=$SECONDS
inside /usr/bin/python3 tests/integration/graph.py run service ||
    die "no graph"
say "first graph after $((SECONDS - begin)) s"
inside make break
for _ in $(seq 120); do
	! grep -qs . "$ran/outbox/sms.txt" || break
	sleep 0.5
done
say "SMS: $(tail -n 2 "$ran/outbox/sms.txt" 2>/dev/null || echo none)"
inside make mend
kill -TERM "$(cat "$ran/lock")"
wait || :
tail -n 3 "$root/run.log"

# make test
begin=$SECONDS
code=0
inside make test 2>&1 | tee "$root/test.log" | grep -E '^(ok|FAIL|deps:)|passed|^    ' || :
tail -n 1 "$root/test.log" | grep -qE '^[0-9]+ passed, 0 failed$' || code=1
say "make test took $((SECONDS - begin)) s: $(tail -n 1 "$root/test.log")"
exit $code
