# For trials in a container that boots: a Debian in the folder "root", under its own systemd, without a network.
# A trial gives "release", changes what it wants below "root", and calls "boot".

root=$(mktemp -d)
# The users of services have to get into the root folder.
chmod 755 "$root"
container=
finish() {
    if [ -n "$container" ]; then
        kill "$container" 2>/dev/null || true
        wait "$container" 2>/dev/null || true
    fi
    rm -rf "$root" "$root.log"
}
trap finish EXIT

# End the trial, with the last lines of the service's log.
fail() {
    echo "$0: $*" >&2
    inside journalctl --no-pager --unit pi-mjpeg --lines 30 >&2 || true
    exit 1
}

# Make the system, with the packages of the release that are named: bootstrap [NAME...]
bootstrap() {
    {
        debootstrap --variant=minbase --include=systemd,systemd-sysv,python3,ca-certificates,curl,openssl "$release" "$root"
        [ $# = 0 ] || chroot "$root" env DEBIAN_FRONTEND=noninteractive \
            apt-get install --quiet --yes --no-install-recommends "$@"
    } >"$root.log" 2>&1 || {
        tail -n 20 "$root.log" >&2
        exit 1
    }
}

# Boot it.
boot() {
    SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 systemd-nspawn --quiet --register=no --keep-unit --private-network \
        --console=pipe --directory "$root" --boot >/dev/null 2>&1 </dev/null &
    container=$!
}

# Run a command in it.
inside() {
    nsenter --target "$(pgrep -P "$container")" --all --root --wd \
        env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
}

# Wait until a command succeeds there, a minute at most.
until_true() {
    tries=0
    until inside "$@" >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ "$tries" -lt 60 ] || fail "this does not become true: $*"
        sleep 1
    done
}
