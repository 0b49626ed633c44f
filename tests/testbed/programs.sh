#!/usr/bin/env bash
# Install the programs that the tests start and this machine lacks, from Debian's packages.
# Arguments: the programs' names. A test that cannot run must fail, so what cannot be installed is said and ends in 1.
set -euo pipefail

package_of() {
    case "$1" in
        java) echo default-jre-headless ;;
        javac) echo default-jdk-headless ;;
        mvn) echo maven ;;
        go) echo golang-go ;;
        node) echo nodejs ;;
        cc) echo gcc libc6-dev ;;
        *) echo "$1" ;;
    esac
}

missing=()
for program in "$@"; do
    command -v "$program" >/dev/null || missing+=($(package_of "$program"))
done
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "The tests need what this machine lacks: ${missing[*]} (names of Debian packages). Install them, then call again." >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q >/dev/null
apt-get install -y -q --no-install-recommends "${missing[@]}" >/dev/null
