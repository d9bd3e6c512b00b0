#!/usr/bin/env bash
# How fast the log is searched, beside rg and tail on the same files: the least of five runs of each,
# in turn, and the ratio to the other. Needs rg; `cargo build --profile dist` comes first.
#
#     benches/search.sh [MiB of noise, 512]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tmo=$PWD/target/dist/tmo
mib=${1:-512}
for need in "$tmo" rg python3; do
    command -v "$need" >/dev/null || { echo "$need is not there" >&2; exit 1; }
done

world=$(mktemp -d)
cleanup() {
    "$tmo" quit >/dev/null 2>&1 || true
    rm -rf "$world"
}
trap cleanup EXIT
mkdir -m 700 "$world/run" "$world/state" "$world/app"
export XDG_RUNTIME_DIR=$world/run XDG_STATE_HOME=$world/state
cd "$world/app"
lines=$((mib * 1024 * 1024 / 125))
cat >Procfile <<EOF
noise: awk 'BEGIN { for (i = 0; i < $lines; i++) printf "2026-11-20 12:00:00 INFO request %d from 10.0.0.%d took %d ms, everything is fine, status=200 path=/api/items/%d\n", i, i % 255, i % 97, i }'; echo noise done; exec sleep 1000
quiet: for i in \$(seq 200); do echo "quiet line \$i"; done; exec sleep 1000
EOF
printf '[log]\nper_process = "64GiB"\ntotal = "64GiB"\n' >tmo.toml
"$tmo" start -D >/dev/null
"$tmo" wait noise --for log '^noise done' --timeout 600s
"$tmo" quit
files=$(dirname "$("$tmo" logs noise --path | head -n 1)")
echo "$(du -cm "$files"/noise*.log | tail -n 1 | cut -f 1) MiB of noise, $(nproc) processors"

# Seconds of a command whose output is read, as `/dev/null` is a reason for rg to stop early.
seconds() {
    python3 - "$@" <<'EOF'
import subprocess, sys, time
begun = time.perf_counter()
with subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE) as child:
    while child.stdout.read(1 << 20):
        pass
print(f"{time.perf_counter() - begun:.4f}")
EOF
}

least() {
    sort -n | head -n 1
}

# compare NAME, then two commands, parted by --
compare() {
    local name=$1 ours=() theirs=() a=() b=()
    shift
    while [[ $1 != -- ]]; do
        ours+=("$1")
        shift
    done
    shift
    theirs=("$@")
    for _ in 1 2 3 4 5; do
        a+=("$(seconds "${ours[@]}")")
        b+=("$(seconds "${theirs[@]}")")
    done
    printf '%s\n' "${a[@]}" | least >"$world/a"
    printf '%s\n' "${b[@]}" | least >"$world/b"
    paste "$world/a" "$world/b" | awk -v name="$name" \
        '{ printf "%-34s tmo %7.1f ms   other %7.1f ms   x%.2f\n", name, $1 * 1000, $2 * 1000, $1 / $2 }'
}

found=(rg -a --no-filename --no-line-number --no-ignore --hidden --glob 'noise*.log')
for threads in 1 "$(nproc)"; do
    echo "beside rg with $threads threads"
    compare 'one line matches' "$tmo" logs noise --no-prefix --grep 'request 1234567 ' -- \
        "${found[@]}" -j "$threads" 'request 1234567 ' "$files"
    compare 'one line of a hundred matches' "$tmo" logs noise --no-prefix --grep 'took 5 ms' -- \
        "${found[@]}" -j "$threads" 'took 5 ms' "$files"
    compare 'no line matches, whatever the case' "$tmo" logs noise --no-prefix -i --grep 'error|panic' -- \
        "${found[@]}" -j "$threads" -i 'error|panic' "$files"
done
echo 'beside tail'
compare 'the last 100 lines of the quiet' "$tmo" logs quiet --no-prefix -n 100 -- \
    tail -n 100 "$files/quiet.00000000000000000000.log"
compare 'the last 100 lines of the noise' "$tmo" logs noise --no-prefix -n 100 -- \
    tail -n 100 "$(find "$files" -name 'noise*.log' | sort | tail -n 1)"
