#!/bin/sh
# Makes sure that a `redis-server` program is on the PATH, for tests that start their own.
#
# Installs it where that is allowed (apt-get as root, Homebrew on macOS) and never leaves a system
# service behind: not running, and not started at the next boot.
#
# Exit code: 0 it is there, 3 it is not and has to be installed by hand (how is printed).
set -eu

WANTED_MAJOR=7

say() { printf 'install-redis: %s\n' "$*" >&2; }

give_up() {
    say "$1"
    say "install Redis $WANTED_MAJOR or later by hand, one of:"
    say "  Debian, Ubuntu   sudo apt-get install redis-server"
    say "  Fedora, RHEL     sudo dnf install redis"
    say "  Alpine           sudo apk add redis"
    say "  macOS            brew install redis"
    say "  from source      https://redis.io/docs/latest/operate/oss_and_stack/install/"
    exit 3
}

report() {
    # "Redis server v=7.0.15 sha=..." becomes "7.0.15".
    version=$(redis-server --version | sed -n 's/.*v=\([0-9][0-9.]*\).*/\1/p')
    major=${version%%.*}
    if [ "${major:-0}" -lt "$WANTED_MAJOR" ]; then
        say "WARNING: $(command -v redis-server) is version ${version:-unknown}; $WANTED_MAJOR or later is what Qianmian is tested with"
    else
        say "found $(command -v redis-server), version $version"
    fi
}

# Debian starts a service when its package is installed, unless this policy forbids it.
POLICY=/usr/sbin/policy-rc.d
policy_is_ours=no

remove_policy() {
    if [ "$policy_is_ours" = yes ]; then
        rm -f "$POLICY"
        policy_is_ours=no
    fi
}

forbid_service_starts() {
    [ ! -e "$POLICY" ] || return 0
    trap remove_policy EXIT
    trap 'exit 130' INT TERM HUP
    policy_is_ours=yes
    printf '#!/bin/sh\nexit 101\n' >"$POLICY"
    chmod 755 "$POLICY"
}

# The package enables its service for the next boot, and a policy of the machine's own may have let
# it start already.
stop_and_disable_service() {
    command -v systemctl >/dev/null 2>&1 || return 0
    if [ -d /run/systemd/system ]; then
        systemctl stop redis-server.service >&2 || say "WARNING: the service redis-server could not be stopped"
    fi
    systemctl -q disable redis-server.service >&2 || say "WARNING: the service redis-server is still enabled at boot"
}

install_with_apt() {
    say "installing redis-server with apt-get"
    forbid_service_starts
    export DEBIAN_FRONTEND=noninteractive
    apt-get -o DPkg::Lock::Timeout=300 update -qq >&2 || say "apt-get update failed; trying with the lists that are there"
    apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends redis-server >&2 ||
        give_up "apt-get could not install redis-server"
    stop_and_disable_service
    remove_policy
}

if command -v redis-server >/dev/null 2>&1; then
    report
    exit 0
fi

if command -v apt-get >/dev/null 2>&1; then
    [ "$(id -u)" -eq 0 ] || give_up "redis-server is missing and only root may run apt-get"
    install_with_apt
elif [ "$(uname -s)" = Darwin ] && command -v brew >/dev/null 2>&1; then
    say "installing redis with Homebrew, which starts no service"
    brew install redis >&2 || give_up "Homebrew could not install redis"
else
    give_up "redis-server is missing and there is no package manager here that this script knows"
fi

command -v redis-server >/dev/null 2>&1 || give_up "redis-server was installed but is not on the PATH"
report
