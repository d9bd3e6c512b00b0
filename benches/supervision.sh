#!/usr/bin/env bash
# What supervision adds, by the times in the log itself: from a line to the word that its process is
# ready, from an end to the first line of the successor (less the delay that was asked for), and a
# chain of ten levels of five processes each, over what the processes take themselves. Restarts
# without a delay are measured by the processes' own clock, beside supervisord and pm2, and the chain
# beside process-compose, where these are on PATH (`benches/peers.sh` installs what it can).
# Needs python3; `cargo build --profile dist` comes first.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tmo=$PWD/target/dist/tmo
for need in "$tmo" python3; do
    command -v "$need" >/dev/null || { echo "$need is not there" >&2; exit 1; }
done
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

# Times in the log: median and highest of the differences, in milliseconds.
differences() {
    "$tmo" logs --json | python3 -c '
import datetime, json, statistics, sys
kind, found, last = sys.argv[1], [], {}
def at(entry):
    whole, part = entry["time"].rstrip("Z").split(".")
    return datetime.datetime.fromisoformat(whole).timestamp() + float("0." + part)
for entry in map(json.loads, sys.stdin):
    name = entry.get("name")
    if kind == "ready" and entry.get("text") == "up":
        last[name] = at(entry)
    elif kind == "ready" and entry.get("event") == "ready" and name in last:
        found.append(at(entry) - last.pop(name))
    elif kind == "restart" and entry.get("event") == "exit":
        last[name] = at(entry)
    elif kind == "restart" and entry.get("text") == "up" and name in last:
        found.append(at(entry) - last.pop(name) - 0.05)
    elif kind == "chain" and entry.get("event") == "begin" and "Listening" in entry.get("text", ""):
        last["begun"] = at(entry)
    elif kind == "chain" and entry.get("event") == "ready":
        last["ready"] = at(entry)
if kind == "chain":
    print(round(1000 * (last["ready"] - last["begun"])))
    sys.exit()
found = sorted(1000 * f for f in found)
print(f"{len(found):5} times   median {statistics.median(found):6.2f} ms   highest {found[-1]:6.2f} ms")
' "$1"
}

for i in $(seq 20); do
    echo "p$i: sleep 0.$((RANDOM % 5 + 1)); echo up; exec sleep 1000" >>Procfile
    printf '[process.p%s]\nready = { log = "^up$" }\n' "$i" >>tmo.toml
done
"$tmo" start -D >/dev/null
"$tmo" wait --for ready --timeout 60s
printf 'line to ready          '
differences ready
"$tmo" quit

rm Procfile tmo.toml
printf 'p: echo up; exit 1\nstay: exec sleep 1000\n' >Procfile
printf '[process.p]\nrestart = { policy = "always", delay = "50ms", max_failures = 60 }\n' >tmo.toml
"$tmo" logs --clear >/dev/null 2>&1 || true
"$tmo" start -D >/dev/null
"$tmo" wait p --for exit --timeout 60s || true
"$tmo" quit || true
printf 'end to successor       '
differences restart

# A process that notes when it begins and when it ends, and fails.
lives=10
program=$world/fails
cat >"$program" <<PROGRAM
#!$BASH
echo "\$EPOCHREALTIME" >>$world/times
echo "\$EPOCHREALTIME" >>$world/times
exit 1
PROGRAM
chmod +x "$program"
# Wait until it has had all its lives; what lies between them, in milliseconds.
between() {
    for _ in $(seq 1200); do
        [[ $(wc -l <"$world/times") -ge $((2 * lives)) ]] && break
        sleep 0.05
    done
    python3 - "$1" "$world/times" "$lives" <<'PYTHON'
import statistics, sys
name, path, lives = sys.argv[1:]
times = [float(line.replace(",", ".")) for line in open(path)][:2 * int(lives)]
between = sorted(1000 * (begin - end) for end, begin in zip(times[1::2], times[2::2]))
print(f"{name:22} {len(between):5} times   median {statistics.median(between):6.2f} ms   "
      f"highest {between[-1]:6.2f} ms")
PYTHON
    : >"$world/times"
}
: >"$world/times"
echo 'end to begin, by the processes themselves, no delay'
printf 'p: exec %s\nstay: exec sleep 1000\n' "$program" >Procfile
printf '[process.p]\nrestart = { policy = "always", delay = "0s", max_failures = %s }\n' "$lives" >tmo.toml
"$tmo" start -D >/dev/null
between tmo
"$tmo" quit || true
if command -v supervisord >/dev/null && command -v supervisorctl >/dev/null; then
    cat >supervisord.conf <<CONF
[unix_http_server]
file=$world/supervisor.sock
[supervisord]
pidfile=$world/supervisor.pid
logfile=/dev/null
logfile_maxbytes=0
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://$world/supervisor.sock
[program:p]
command=$program
autorestart=true
startsecs=0
stdout_logfile=NONE
CONF
    supervisord -c supervisord.conf >/dev/null 2>&1
    between supervisord
    supervisorctl -c supervisord.conf shutdown >/dev/null
else
    echo 'supervisord is not on PATH'
fi
if command -v pm2 >/dev/null; then
    export PM2_HOME=$world/pm2
    pm2 start "$program" --name p --interpreter none --max-restarts $((lives + 5)) >/dev/null 2>&1
    between pm2
    pm2 kill >/dev/null 2>&1
else
    echo 'pm2 is not on PATH'
fi

rm Procfile tmo.toml
"$tmo" logs --clear >/dev/null 2>&1 || true
echo 'version: "0.5"' >process-compose.yaml
echo 'processes:' >>process-compose.yaml
for level in $(seq 10); do
    for i in $(seq 5); do
        name=l${level}x$i
        echo "$name: sleep 0.1; echo up; exec sleep 1000" >>Procfile
        printf '[process.%s]\nready = { log = "^up$" }\n' "$name" >>tmo.toml
        printf '  %s:\n    command: "sleep 0.1; echo up; exec sleep 1000"\n    ready_log_line: "up"\n' \
            "$name" >>process-compose.yaml
        if ((level > 1)); then
            needs=$(for j in $(seq 5); do printf '"l%sx%s", ' $((level - 1)) "$j"; done)
            echo "depends_on = [${needs%, }]" >>tmo.toml
            echo '    depends_on:' >>process-compose.yaml
            for j in $(seq 5); do
                printf '      l%sx%s:\n        condition: process_log_ready\n' $((level - 1)) "$j" \
                    >>process-compose.yaml
            done
        fi
    done
done
best=1000000 own=1000000 log=1000000
least() { (($2 < $1)) && echo "$2" || echo "$1"; }
for _ in 1 2 3; do
    begun=$(date +%s%N)
    for _ in $(seq 10); do
        for _ in $(seq 5); do sh -c 'sleep 0.1; echo up' >/dev/null & done
        wait
    done
    own=$(least "$own" $((($(date +%s%N) - begun) / 1000000)))
    "$tmo" logs --clear >/dev/null 2>&1 || true
    begun=$(date +%s%N)
    "$tmo" start -D >/dev/null
    "$tmo" wait --for ready --timeout 60s
    best=$(least "$best" $((($(date +%s%N) - begun) / 1000000)))
    log=$(least "$log" "$(differences chain)")
    "$tmo" quit || true
done
echo 'chain of 10 levels of 5, best of 3'
echo "a shell that waits      $own ms: the time of the processes themselves"
echo "tmo                     $log ms from listening to the last that is ready: $((log - own)) ms more"
echo "tmo with the commands   $best ms"
if command -v process-compose >/dev/null; then
    begun=$(date +%s%N)
    process-compose up -D -p 18080 >/dev/null
    until [[ $(process-compose process list -p 18080 -o json | grep -c '"is_ready": *"Ready"') -eq 50 ]]; do
        sleep 0.01
    done
    echo "process-compose           $((($(date +%s%N) - begun) / 1000000)) ms"
    process-compose down -p 18080 >/dev/null
else
    echo 'process-compose is not on PATH'
fi
