//! Ends the sessions of users whose entry in the file of users has changed.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::OptionFuture;
use tokio::io::unix::AsyncFd;
use tokio::time::sleep;

use super::Server;
use crate::sys::Changes;
use crate::web::access::users::{Stamp, Users, UsersError};
use crate::web::{locked, note};

/// The last check of the sessions against the file of users.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    /// The file as it was then; `None` if the next check must read it.
    stamp: Option<Stamp>,
    /// The reported reason why the file can't be read.
    problem: Option<String>,
    /// How often the file was read.
    #[cfg(test)]
    pub(crate) reads: usize,
}

impl Server {
    /// End the sessions of users whose entry in their file has changed or is gone. The file is read only if it is
    /// another one than at the last check.
    ///
    /// # Errors
    /// The file can't be read, which is printed once.
    pub(crate) fn check_users(&self) -> Result<(), UsersError> {
        let mut checked = locked(&self.checked);
        let stamp = Stamp::new(&self.access.users);
        if stamp.is_some() && stamp == checked.stamp {
            return Ok(());
        }
        checked.stamp = None;
        #[cfg(test)]
        {
            checked.reads += 1;
        }
        let users = Users::load(&self.access.users).inspect_err(|error| {
            let problem = Some(error.to_string());
            if checked.problem != problem {
                note(&format!("the sessions of users can't be checked: {error}"));
                checked.problem = problem;
            }
        })?;
        self.end_sessions(|_, user| user.is_some_and(|user| !users.have(user)));
        (checked.stamp, checked.problem) = (stamp, None);
        Ok(())
    }

    /// Read the file of users at the next check, even if it seems to be the same: there is a new session, or the
    /// system has reported a change.
    pub(crate) fn distrust_users(&self) {
        locked(&self.checked).stamp = None;
    }

    /// End the sessions of users as soon as their entry has changed, or after `recheck` if the system does not report
    /// that.
    pub(crate) async fn follow_users(self: Arc<Self>, recheck: Duration) {
        let (file, dir) = (&self.access.users, self.access.users.parent());
        let paths: Vec<_> = dir.into_iter().chain([&**file]).map(Path::to_owned).collect();
        let mut changes = Changes::open().ok();
        let signal = changes.as_ref().and_then(|changes| changes.signal().ok());
        loop {
            if let Some(changes) = &mut changes {
                changes.take();
                // If the system refuses, the interval is left.
                let _ = changes.watch(&paths);
            }
            let has_users = self.sessions().have_users();
            if has_users {
                // The error has been printed.
                let _ = self.check_users();
            }
            let changed = OptionFuture::from(signal.as_ref().map(AsyncFd::readable));
            tokio::select! {
                // The directory may be newer than the server.
                () = self.user_logged_in.notified() => {}
                Some(Ok(mut ready)) = changed => {
                    ready.clear_ready();
                    self.distrust_users();
                }
                () = sleep(recheck), if has_users => {}
            }
        }
    }
}
