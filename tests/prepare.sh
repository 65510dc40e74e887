#!/usr/bin/env bash
# Installs what the tests need beyond cargo and Python: the binaries of a Postgres server and a Python environment with
# the real clients that the end-to-end tests drive. Called by `make test`; does nothing that is done already.
set -euo pipefail
cd "$(dirname "$0")/.."

postgres() {
    ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1
}

install_postgres() {
    local as=()
    if [ "$(id -u)" != 0 ]; then
        sudo -n true 2>/dev/null || return 1
        as=(sudo -n)
    fi
    command -v apt-get >/dev/null || return 1
    echo "installing a Postgres server for the tests"
    "${as[@]}" apt-get update -qq || true
    "${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends -y postgresql-common >/dev/null
    # The tests start their own server; the package's must not run beside it.
    local settings=/etc/postgresql-common/createcluster.conf
    if ! grep -qs '^create_main_cluster = false' "$settings"; then
        echo 'create_main_cluster = false' | "${as[@]}" tee -a "$settings" >/dev/null
    fi
    "${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends -y postgresql >/dev/null
}

if ! postgres; then
    install_postgres || true
    postgres || echo "warning: no Postgres server under /usr/lib/postgresql and no right to install one: the store is tested on SQLite only" >&2
fi
if [ -f tests/python/prepare.sh ]; then
    bash tests/python/prepare.sh
fi
