#!/bin/sh
# Installs what a fresh Debian 12 machine lacks, and makes the account that roles run as.
#
#   conf/packages.sh         what building and running needs
#   conf/packages.sh test    that, and what the tests need
#   conf/packages.sh bench   that, and the programs that `make bench` measures us against
#
# Asks dpkg first, so it costs a few milliseconds when nothing is missing. Needs root only for what is missing; without
# it, it says what root has to do. Packages start no daemons of their own here: btcf runs private servers.
set -eu

run_packages='
    gcc make perl pkg-config
    nginx nginx-dev
    postgresql-15 redis-server
    libpq-dev libcurl4-openssl-dev libjansson-dev libjwt-dev libconfuse-dev libhiredis-dev
    libssl-dev zlib1g-dev libcrypt-dev libsystemd-dev libpcre2-dev
    libnlopt-dev liblapacke-dev liblapack-dev libblas-dev libgfortran5
    ca-certificates curl'

# sanitizers and fuzzers, unit tests, servers' clients, load, and what checks our output with other people's code
test_packages='
    clang clang-format libclang-rt-14-dev shellcheck
    libcmocka-dev valgrind gcovr
    python3 python3-pytest python3-psycopg2 python3-numpy python3-scipy python3-pandas python3-cryptography
    libnginx-mod-http-headers-more-filter
    wrk nghttp2-client prometheus jq faketime postgresql-client-15 procps iproute2 git dpkg-dev'

bench_packages='
    r-base-core r-cran-fgarch r-cran-forecast'

account=btcf

missing_packages() {
    for package in $1; do
        status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
        [ "$status" = 'install ok installed' ] || printf '%s ' "$package"
    done
}

install_packages() {
    missing=$(missing_packages "$1")
    [ -n "$missing" ] || return 0
    command="apt-get install -y --no-install-recommends $missing"
    if [ "$(id -u)" -ne 0 ]; then
        printf 'packages.sh: packages are missing; run as root:\n    %s\n' "$command" >&2
        exit 1
    fi
    printf 'packages.sh: installing %s\n' "$missing"
    # A lock held by another installation is waited for; a list of packages too old to be found is fetched once.
    apt="apt-get -qq -o DPkg::Lock::Timeout=600"
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086 # lists of words
    $apt install -y --no-install-recommends $missing >/dev/null || {
        $apt update
        $apt install -y --no-install-recommends $missing >/dev/null
    }
}

make_account() {
    ! getent passwd "$account" >/dev/null || return 0
    if [ "$(id -u)" -eq 0 ]; then
        useradd --system --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin "$account"
    fi
    # Started by another account, every process simply keeps that account.
}

case "${1:-run}" in
run) install_packages "$run_packages" ;;
test) install_packages "$run_packages $test_packages" ;;
bench) install_packages "$run_packages $test_packages $bench_packages" ;;
*)
    echo 'usage: conf/packages.sh [run|test|bench]' >&2
    exit 2
    ;;
esac
make_account
