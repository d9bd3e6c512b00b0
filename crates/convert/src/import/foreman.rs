//! foreman: `.foreman`. Its Procfile and env files work as they are.

use super::error::ImportError;
use super::fields::Fields;
use super::files::SourceFiles;
use super::node::yaml;
use super::process::Imported;
use super::rows::Row;

/// What becomes of its flags.
pub(super) const ROWS: &[Row] = &[
    Row("`foreman start`, `foreman start web`", "`tmo start`, `tmo start web`"),
    Row("`-f`, `-d`, `-p`, `-t`", "the same"),
    Row("`-m web=2,worker=3`, `-c`", "`-m web=2,worker=3` (`-c` names processes that may end)"),
    Row("`-e .env.local`", "`TMO_ENV=.env.local`, or `env_file` for one process"),
    Row("`.foreman`", "`.tmo.env` with `TMO_PORT=…` and so on: `tmo import .foreman` says which"),
    Row("`foreman check`", "`tmo check`"),
    Row("`foreman run rake db:migrate`", "`tmo run rake db:migrate`"),
    Row("`foreman export`", "-"),
    Row(
        "`PORT` 5000, 5100 … by line",
        "the same; two instances of one entry are 10 apart, not 1: `--formation-port-step 1`",
    ),
    Row(
        "SIGTERM, then SIGKILL after 5 s",
        "SIGINT, then the same: `stop = { signal = \"TERM\" }` in `[defaults]`",
    ),
    Row("the first to end stops all", "the same"),
];

/// Its keys, and the variables of `.tmo.env` that say the same.
const VARIABLES: [(&str, &str); 7] = [
    ("procfile", "TMO_PROCFILE"),
    ("port", "TMO_PORT"),
    ("formation", "TMO_FORMATION"),
    ("concurrency", "TMO_FORMATION"),
    ("env", "TMO_ENV"),
    ("root", "TMO_ROOT"),
    ("timeout", "TMO_TIMEOUT"),
];

pub(super) fn read(files: &mut SourceFiles) -> Result<Imported, ImportError> {
    let source = files.main()?;
    let mut top = Fields::of(yaml(&source.text, &source.name)?, "")?;
    let mut imported = Imported::default();
    imported.default_to("stop", "{ signal = \"TERM\", timeout = \"5s\" }");
    for (key, variable) in VARIABLES {
        if let Some(text) = top.text(key)? {
            let why =
                format!("write {variable}={} into .tmo.env, which every command reads", text.value);
            imported.leave(&text.place, key, why);
        }
    }
    top.leave(ROWS, &mut imported.left);
    Ok(imported)
}
