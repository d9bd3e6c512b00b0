//! The table of compose on the page on coming from other tools.

use super::{ComposeService, take_restart};
use crate::import::rows::{Row, Take, row};

/// What becomes of its keys.
pub(in crate::import) const ROWS: &[Row<ComposeService>] = &[
    row("`command`, `entrypoint`", "`command`"),
    row("`working_dir`, `environment`, `env_file`", "`cwd` if it is relative, `env`, `env_file`"),
    Row(
        "`depends_on`, a list, or with `service_started`",
        "`\"started\"`; here a list means `\"ready\"`",
        &[Take::By(ComposeService::take_needs)],
    ),
    row("… `service_healthy`", "`\"ready\"`"),
    row("… `service_completed_successfully`", "`\"completed\"`"),
    row("… `restart: true`", "`{ condition = \"ready\", restart = true }`"),
    row(
        "… `required: false`",
        "left out if it runs only with a profile; here a dependency is started",
    ),
    Row(
        "`healthcheck.test`",
        "two keys: `ready = { exec = \"…\" }` until it is up, `live = { exec = \"…\" }` from then on",
        &[Take::By(ComposeService::take_healthcheck)],
    ),
    row("… `interval`", "`every`"),
    row(
        "… `timeout`",
        "`timeout` of `live`; the one of `ready` is the time for all attempts together",
    ),
    row("… `retries`", "`failures` of `live`"),
    row("… `start_period`", "`timeout` of `ready`"),
    row("… `start_interval`", "-"),
    row("… `disable: true`", "no check"),
    Row(
        "`restart: \"no\"`, `always`, `on-failure`",
        "`restart = \"no\"`, `\"always\"`, `\"on-failure\"`",
        &[Take::By(take_restart)],
    ),
    row("`restart: on-failure:5`", "`restart = { policy = \"on-failure\", max_failures = 6 }`"),
    row(
        "`restart: unless-stopped`",
        "`restart = \"always\"`: a process stopped by `tmo stop` stays stopped anyway",
    ),
    Row(
        "`stop_signal`, `stop_grace_period`",
        "`stop = { signal = \"TERM\", timeout = \"10s\" }`",
        &[Take::By(ComposeService::take_stop)],
    ),
    row("`pre_stop`", "`stop = { command = \"…\" }`"),
    row("`post_start`", "-"),
    Row(
        "`profiles`",
        "`autostart = false` and `groups`",
        &[Take::By(ComposeService::take_profiles)],
    ),
    row("`scale`, `deploy.replicas`", "- (`tmo start -m web=2`, `tmo scale web=2`)"),
    row("`deploy.restart_policy`", "`restart`"),
    row("`deploy.resources`, `deploy.update_config`, `mem_limit`, `cpus`, `ulimits`", "-"),
    row("`ports`, `expose`", "`port`, if it is one; nothing is forwarded"),
    row("`image`, `build`, `volumes`, `networks`, `secrets`, `configs`, `user`", "-"),
    row(
        "`container_name`, `hostname`, `labels`, `logging`, `platform`, `tty`, `stdin_open`, `init`",
        "-",
    ),
    row("`develop.watch`", "-"),
    row(
        "`extends`, `include`, several files",
        "read by `tmo import`; here `[defaults]` holds what all processes share",
    ),
];

/// What is taken of a service that runs here without a setting of its own: it is in its command, or changes nothing.
pub(super) const TAKEN: &str = "annotations attach build command container_name domainname entrypoint extends hostname \
    image init labels links logging networks platform profiles pull_policy runtime stdin_open tty working_dir";

/// What only a container can have.
pub(super) const ONLY_IN_CONTAINERS: &str = "blkio_config cap_add cap_drop cpu_count cpu_percent cpu_shares cpus cpuset \
    devices dns dns_opt dns_search extra_hosts group_add ipc isolation mac_address mem_limit mem_reservation \
    memswap_limit network_mode pid pids_limit privileged read_only security_opt shm_size sysctls tmpfs user userns_mode \
    volumes_from";
