//! The process trees to be tried.

/// A tree of processes.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: &'static str,
    /// How many processes it has at least once it has grown.
    pub(super) grown: usize,
    /// Whether the user's own tmux server is in it.
    pub(super) spared: bool,
    /// What the main process does before it waits.
    body: &'static str,
}

const fn case(name: &'static str, grown: usize, body: &'static str) -> Case {
    Case { name, grown, spared: false, body }
}

pub(super) const CASES: &[Case] = &[
    case(
        "double fork",
        4,
        "( ( sleep 1000 & ) & )
         ( sh -c 'sleep 1000 & sleep 1000 &' & )",
    ),
    case(
        "sessions of their own",
        5,
        "setsid sleep 1000 &
         setsid sh -c 'sleep 1000 & setsid sleep 1000 & exec sleep 1000' &",
    ),
    case(
        "groups of their own",
        4,
        "set -m
         sleep 1000 &
         sh -c 'trap \"\" INT HUP; sleep 1000; :' &
         set +m",
    ),
    case(
        "nohup",
        4,
        "nohup sleep 1000 > out 2>&1 &
         nohup setsid sh -c 'nohup sleep 1000 & wait' > out 2>&1 &",
    ),
    case(
        "deaf to INT, TERM, HUP and QUIT",
        5,
        "trap '' INT TERM HUP QUIT
         sh -c 'while :; do sleep 1000; done' &
         setsid sh -c 'while :; do sleep 1000; done' &",
    ),
    case(
        "fork storm",
        60,
        "slow() { sleep 0.2; [ -e go ] && slow & }
         fast() { [ -e go ] && fast & }
         i=0; while [ $i -lt 188 ]; do slow & i=$((i + 1)); done
         i=0; while [ $i -lt 8 ]; do setsid sh chain.sh & i=$((i + 1)); done
         i=0; while [ $i -lt 4 ]; do fast & i=$((i + 1)); done",
    ),
    case(
        "zombie leaders of living members",
        5,
        "setsid sh -c 'sleep 1000 & sleep 1000 & exit 0' &
         sh -c 'setsid sh -c \"sleep 1000 & exit 0\" & exec sleep 1000' &",
    ),
    case("deep chain", 102, "sh deep.sh 100 &"),
    case(
        "stopped by themselves",
        3,
        "sh -c 'kill -STOP $$; exec sleep 1000' &
         setsid sh -c 'kill -STOP $$; exec sleep 1000' &",
    ),
    case(
        "no environment, other session",
        4,
        "env -i setsid sleep 1000 &
         env -i sh -c 'setsid sleep 1000 & exec sleep 1000' &",
    ),
    Case {
        name: "the user's own tmux",
        grown: 2,
        spared: true,
        body: "tmux -L own-$$ -f /dev/null new-session -d 'exec sleep 1000'
               setsid sleep 1000 &",
    },
];

/// Files that the trees need. The storm ends with its directory, should it ever get out.
pub(super) const HELPERS: [(&str, &str); 2] = [
    ("chain.sh", "sleep 0.01\n[ -e go ] && setsid sh chain.sh &\n"),
    ("deep.sh", "[ $1 -gt 0 ] || exec sleep 1000\nsh deep.sh $(($1 - 1)) &\nwait\n"),
];

/// The main process: holds and locks a file for all, grows the tree, waits for a word to end.
pub(super) fn script(case: &Case) -> String {
    format!("exec 9> held.$$\nflock 9\n{}\nread word < go\nexit 0\n", case.body)
}
