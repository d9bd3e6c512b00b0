//! The plan of a process that is an app.

use super::merge::MergeInput;
use crate::apps::install::{self, gets_variable};
use crate::apps::manifest::{App, InstallState};
use crate::model::plan::{AfterInstall, Install, ProcessPlan};
use crate::model::text::OsText;

/// Turn this into the plan of an app. The rules of `[defaults]` have been applied already.
pub(super) fn apply(given: &MergeInput<'_>, (name, app): (&str, &App), plan: &mut ProcessPlan) {
    let apps = &given.loaded.apps;
    let (dir, kind) = (apps.dir_of(app), apps.kind_of(app));
    let variable =
        |name: &str| given.variables.iter().find(|(key, _)| key.as_bytes() == name.as_bytes());
    let path = variable("PATH").map(|(_, value)| value.as_os_str());
    plan.argv = Some(apps.command(app).into_iter().map(OsText::from).collect());
    plan.cwd = Some(dir.as_path().into());
    plan.env
        .extend(kind.env(&dir, path).into_iter().map(|(key, value)| (key.into(), value.into())));
    let own = app.env.iter();
    plan.env.extend(own.map(|(key, value)| (key.as_str().into(), value.as_str().into())));
    plan.waits = !app.autostart;
    if name != app.dir {
        plan.rules.display = Some(name.to_owned());
    }
    plan.install = Some(install(given, app, dir.as_path().into()));
}

fn install(given: &MergeInput<'_>, app: &App, dir: OsText) -> Install {
    let is_passed_on =
        |(key, _): &&(OsText, OsText)| key.as_os_str().to_str().is_some_and(gets_variable);
    Install {
        command: vec![given.tmo.into(), install::PART.into(), dir],
        env: given.variables.iter().filter(is_passed_on).cloned().collect(),
        timeout_ms: app.install_timeout_seconds.saturating_mul(1000),
        version: app.version.to_string(),
        pending: app.state == InstallState::New,
        then: if app.autostart { AfterInstall::Run } else { AfterInstall::Stop },
    }
}
