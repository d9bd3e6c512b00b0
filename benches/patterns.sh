#!/usr/bin/env bash
# What fifty failure patterns cost end to end: one process prints 500 MB of lines of 100 bytes, with
# and without them, in turn, five times each. The time is from the first byte to when the supervisor
# has indexed the last line, and that of its processor is what the kernel says of it.
# Needs python3; `cargo build --profile dist` comes first. TMO is another program than that one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tmo=${TMO:-$PWD/target/dist/tmo}
for need in "$tmo" python3; do
    command -v "$need" >/dev/null || { echo "$need is not there" >&2; exit 1; }
done
times=${TIMES:-5} rounds=${ROUNDS:-50}
world=$(mktemp -d)
# Where a login has its runtime directory, it is kept in memory.
run=$(mktemp -d -p /dev/shm 2>/dev/null || mktemp -d)
cleanup() {
    (cd "$world/app" && "$tmo" kill >/dev/null 2>&1) || true
    rm -rf "$world" "$run"
}
trap cleanup EXIT
mkdir -m 700 "$world/state" "$world/app"
export XDG_RUNTIME_DIR=$run XDG_STATE_HOME=$world/state TMO_NO_PORT=1
cd "$world/app"

# 10 MB as a web server logs, and fifty texts that are not in there.
python3 - <<'PY'
import json, random
random.seed(7)
words = "request response user order cart served cached query took rows connection pool worker job \
queue started GET POST /api/items /api/users/ status=200 status=404 ms bytes id= trace".split()
with open("data", "w") as file:
    for number in range(100_000):
        line = f"2026-11-21T10:{number // 60 % 60:02}:{number % 60:02}Z INFO  [web-{number % 8}] "
        while len(line) < 99:
            line += random.choice(words) + " "
        file.write(line[:99] + "\n")
texts = ["EADDRINUSE", "panic:", "FATAL:", "OutOfMemoryError", "Segmentation fault", "core dumped",
         "connection refused", "Traceback (most recent", "permission denied", "database is locked"]
texts += [f"module {number} has failed" for number in range(40)]
json.dump({"web": texts}, open("fifty.json", "w"))
PY
cat >Procfile <<PROCFILE
web: read _ <go; for i in \$(seq $rounds); do cat data; done; echo; echo all is printed; exec sleep 1000
PROCFILE
mkfifo go

# Processor time of the supervisor so far, in hundredths of a second.
spent() {
    local pid
    pid=$("$tmo" ps --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["pid"])')
    cut -d' ' -f14,15 "/proc/$pid/stat" | python3 -c 'print(sum(map(int, input().split())))'
}

# One run: nanoseconds and hundredths.
measure() {
    rm -f failure_declarations.json
    [ "$1" = without ] || cp fifty.json failure_declarations.json
    "$tmo" start -D >/dev/null
    local before begun ended
    before=$(spent)
    begun=$(date +%s%N)
    echo >go
    "$tmo" wait web --for log 'all is printed' --timeout 600s >/dev/null
    ended=$(date +%s%N)
    echo "$1 $((ended - begun)) $(($(spent) - before))"
    "$tmo" quit >/dev/null
    rm -rf "$world/state"/*
}

for ((i = 0; i < times; i++)); do
    measure without
    measure with
done | python3 -c '
import statistics, sys
figures = {}
for kind, wall, cpu in map(str.split, sys.stdin):
    figures.setdefault(kind, []).append((int(wall) / 1e9, int(cpu) / 100))
    print(f"{kind:8} {int(wall) / 1e9:6.2f} s, supervisor {int(cpu) / 100:5.2f} s", file=sys.stderr, flush=True)
size, medians = int(sys.argv[1]) * 10, {}
for kind, found in figures.items():
    wall, cpu = (statistics.median(column) for column in zip(*found))
    medians[kind] = wall, cpu
    print(f"{kind:8} {size / wall:6.1f} MB/s   {wall:6.2f} s   supervisor {cpu:5.2f} s of processor")
(wall, cpu), (wall50, cpu50) = medians["without"], medians["with"]
print(f"fifty patterns: {100 * (wall50 / wall - 1):+.1f} % of the time, {cpu50 - cpu:+.2f} s of processor")
' "$rounds"
