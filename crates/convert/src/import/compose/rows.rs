//! The table of compose on the page on coming from other tools.

use super::super::rows::Row;

/// What becomes of its keys.
pub(in crate::import) const ROWS: &[Row] = &[
    Row("`command`, `entrypoint`", "`command`"),
    Row("`working_dir`, `environment`, `env_file`", "`cwd` if it is relative, `env`, `env_file`"),
    Row(
        "`depends_on`, a list, or with `service_started`",
        "`\"started\"`; here a list means `\"ready\"`",
    ),
    Row("… `service_healthy`", "`\"ready\"`"),
    Row("… `service_completed_successfully`", "`\"completed\"`"),
    Row("… `restart: true`", "`{ condition = \"ready\", restart = true }`"),
    Row(
        "… `required: false`",
        "left out if it runs only with a profile; here a dependency is started",
    ),
    Row(
        "`healthcheck.test`",
        "two keys: `ready = { exec = \"…\" }` until it is up, `live = { exec = \"…\" }` from then on",
    ),
    Row("… `interval`", "`every`"),
    Row(
        "… `timeout`",
        "`timeout` of `live`; the one of `ready` is the time for all attempts together",
    ),
    Row("… `retries`", "`failures` of `live`"),
    Row("… `start_period`", "`timeout` of `ready`"),
    Row("… `start_interval`", "-"),
    Row("… `disable: true`", "no check"),
    Row(
        "`restart: \"no\"`, `always`, `on-failure`",
        "`restart = \"no\"`, `\"always\"`, `\"on-failure\"`",
    ),
    Row("`restart: on-failure:5`", "`restart = { policy = \"on-failure\", max_failures = 6 }`"),
    Row(
        "`restart: unless-stopped`",
        "`restart = \"always\"`: a process stopped by `tmo stop` stays stopped anyway",
    ),
    Row("`stop_signal`, `stop_grace_period`", "`stop = { signal = \"TERM\", timeout = \"10s\" }`"),
    Row("`pre_stop`", "`stop = { command = \"…\" }`"),
    Row("`post_start`", "-"),
    Row("`profiles`", "`autostart = false` and `groups`"),
    Row("`scale`, `deploy.replicas`", "- (`tmo start -m web=2`, `tmo scale web=2`)"),
    Row("`deploy.restart_policy`", "`restart`"),
    Row("`deploy.resources`, `deploy.update_config`, `mem_limit`, `cpus`, `ulimits`", "-"),
    Row("`ports`, `expose`", "`port`, if it is one; nothing is forwarded"),
    Row("`image`, `build`, `volumes`, `networks`, `secrets`, `configs`, `user`", "-"),
    Row(
        "`container_name`, `hostname`, `labels`, `logging`, `platform`, `tty`, `stdin_open`, `init`",
        "-",
    ),
    Row("`develop.watch`", "-"),
    Row(
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
