#!/bin/sh
# Install the programs that `cargo bench --bench bars` compares tmo with, as far as they can be had
# here, into a directory, and print the PATH to use. One command for the comparison:
#
#     PATH=$(benches/peers.sh ~/peers) cargo bench --bench bars
#
# Whatever can't be installed is said and left out, or taken from the PATH where it is there already;
# the bench says again who is missing. Nothing outside of the directory is changed.
set -eu

[ $# -eq 1 ] || {
    echo "usage: PATH=\$(benches/peers.sh DIRECTORY) cargo bench --bench bars" >&2
    exit 2
}
mkdir -p "$1/bin"
dir=$(cd "$1" && pwd)

say() { printf 'peers: %s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }

# with PROGRAM NAMES COMMAND…: install these by this, or say why not.
with() {
    program=$1 names=$2
    shift 2
    if ! have "$program"; then
        say "$names: no $program here to install it with"
    elif "$@" >"$dir/$program.log" 2>&1; then
        say "$names: installed"
    else
        say "$names: $program failed: $(tail -n 1 "$dir/$program.log")"
    fi
}

by_pip() {
    # A real program in its place: the shim of a version manager would be measured with it.
    python3 -m venv "$dir/python" &&
        "$dir/python/bin/pip" install --disable-pip-version-check honcho supervisor setuptools
}

# A gem that is not among those of the system finds itself only by this variable.
by_gem() {
    gem install --no-document --install-dir "$dir/gems" foreman &&
        printf '#!/bin/sh\nGEM_HOME=%s exec %s "$@"\n' "$dir/gems" "$dir/gems/bin/foreman" \
            >"$dir/bin/foreman" &&
        chmod +x "$dir/bin/foreman"
}

by_go() {
    GOBIN=$dir/bin go install github.com/DarthSim/overmind/v2@latest &&
        GOBIN=$dir/bin go install github.com/DarthSim/hivemind@latest
}

with go 'overmind, hivemind' by_go
with cargo 'ultraman, mprocs' cargo install --quiet --root "$dir" ultraman mprocs
with npm 'nf, concurrently, pm2' npm install --no-fund --no-audit --prefix "$dir" \
    foreman concurrently pm2
with python3 'honcho, supervisord' by_pip
have foreman || with gem foreman by_gem

# Only the peers' own names, not a python3 that would take the place of the system's.
for path in "$dir/node_modules/.bin" "$dir/python/bin"; do
    for name in nf concurrently pm2 pm2-runtime honcho supervisord supervisorctl; do
        [ ! -x "$path/$name" ] || ln -sf "$path/$name" "$dir/bin/$name"
    done
done
PATH=$dir/bin:$PATH
for name in overmind hivemind foreman honcho ultraman nf concurrently mprocs supervisord pm2; do
    if have "$name"; then
        say "$name: $(command -v "$name")"
    else
        say "$name: not there, the bench leaves it out"
    fi
done
printf '%s\n' "$PATH"
