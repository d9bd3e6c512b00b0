//! foreman: `.foreman`. Its Procfile and env files work as they are.

use crate::import::fields::Fields;
use crate::import::files::SourceFiles;
use crate::import::format::ImportError;
use crate::import::node::yaml;
use crate::import::process::Imported;
use crate::import::rows::{NoContext, Row, row};

/// What becomes of its flags.
pub(in crate::import) const ROWS: &[Row<NoContext>] = &[
    row("`foreman start`, `foreman start web`", "`tmo start`, `tmo start web`"),
    row("`-f`, `-d`, `-p`, `-t`", "the same"),
    row("`-m web=2,worker=3`, `-c`", "`-m web=2,worker=3` (`-c` names processes that may end)"),
    row("`-e .env.local`", "`TMO_ENV=.env.local`, or `env_file` for one process"),
    row("`.foreman`", "`.tmo.env` with `TMO_PORT=…` and so on: `tmo import .foreman` says which"),
    row("`foreman check`", "`tmo check`"),
    row("`foreman run rake db:migrate`", "`tmo run rake db:migrate`"),
    row("`foreman export`", "-"),
    row(
        "`PORT` 5000, 5100 … by line",
        "the same; two instances of one entry are 10 apart, not 1: `--formation-port-step 1`",
    ),
    row(
        "SIGTERM, then SIGKILL after 5 s",
        "SIGINT, then the same: `stop = { signal = \"TERM\" }` in `[defaults]`",
    ),
    row("the first to end stops all", "the same"),
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

pub(in crate::import) fn import_settings(files: &mut SourceFiles) -> Result<Imported, ImportError> {
    let source = files.main()?;
    let mut top = Fields::new(yaml(&source.text, &source.name)?, "")?;
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
