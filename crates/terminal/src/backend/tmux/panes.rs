//! Opening panes: a window, its shim and its pipe; and typing into a pane, through a tmux buffer.
//!
//! The text goes through the standard input of a client, because every user of the machine can read the
//! arguments of a process.

use std::path::Path;

use super::command::{TmuxCommand, UNIQUE, unique_name};
use super::server::{Tmux, TmuxError, keep_empty, write};
use super::{attach, command, config};
use crate::backend::{Former, Opening, Survey};
use crate::sys;

impl Tmux {
    /// Start the server with a window and a pipe for each of these.
    pub async fn start(&self, openings: &[Opening]) -> Result<Survey, TmuxError> {
        let mut text = config::generate(&self.tmo, &self.session, self.size.0, self.size.1);
        text.push_str(&attach::binding(&self.menu).unwrap_or_default());
        write(&self.menu, &attach::script(&self.tmo, &self.control))?;
        write(&self.config, text.as_bytes())?;
        for (file, text) in self.environ.files() {
            write(file, text.as_bytes())?;
        }
        let _one = self.opening.lock().await;
        let mut groups: Vec<_> =
            openings.iter().enumerate().map(|(i, o)| self.window(o, i == 0)).collect();
        // In the same call: another client would compete for CPU time with the shims that start now.
        groups.push(self.environ.after());
        groups.push(self.ask_survey());
        self.surveyed(&groups).await
    }

    /// Open a window and a pipe for each of these, on the running server.
    pub async fn open(&self, openings: &[Opening]) -> Result<Survey, TmuxError> {
        let _one = self.opening.lock().await;
        let windows = openings.iter().map(|o| self.window(o, false)).collect();
        self.opened(windows, self.ask_survey()).await
    }

    /// Remove the variables of env files, run the commands that open panes, then set the variables again
    /// and run `then`.
    async fn opened(
        &self,
        windows: Vec<Vec<TmuxCommand>>,
        then: Vec<TmuxCommand>,
    ) -> Result<Survey, TmuxError> {
        let mut groups = vec![self.environ.before()];
        groups.extend(windows);
        groups.extend([self.environ.after(), then]);
        let done = self.surveyed(&groups).await;
        if done.is_err() {
            // The error kept the remaining commands from running.
            self.call_all(vec![self.environ.after()]).await?;
        }
        done
    }

    /// Commands that open a window with a shim, and its pipe, in one call.
    ///
    /// Within that call the id of the window is not known yet, so it begins with a name that no other window has: tmux
    /// takes a number for an index, and can't find a window by a name that two windows have.
    fn window(&self, (name, spec): &Opening, first: bool) -> Vec<TmuxCommand> {
        let begins_as = unique_name();
        let open = if first {
            let (columns, rows) = self.size;
            TmuxCommand::new(&format!("new-session -d -x {columns} -y {rows} -s"))
                .arg(&self.session)
        } else {
            TmuxCommand::new("new-window -d -t").arg(format!("={}:", self.session))
        };
        let open = open.arg("-n").plain_format(&begins_as).arg("-c").plain_format(&self.root);
        let target = format!("={}:={begins_as}", self.session);
        let name_it = TmuxCommand::new("set-option -qp -t").arg(&target).arg("@tmo_name");
        let rename = TmuxCommand::new("rename-window -t").arg(&target).arg("--");
        let mut commands = vec![
            command::shim(open, &self.tmo, spec),
            command::pipe(&target, &self.tmo, spec),
            name_it.arg(name.as_str()),
            rename.plain_format(name.as_str()),
        ];
        if first {
            // Set on the session itself, so that no global value can end it.
            let keep = TmuxCommand::new("set-option -q -t").arg(format!("={}:", self.session));
            let keep = keep.arg("destroy-unattached").arg("off");
            commands.extend([keep, keep_empty()]);
        }
        commands
    }

    /// Give this process a pane again: its old one if that still exists, else in a new window.
    ///
    /// A living pane of the process with an unknown shim was opened for an earlier request, or for a
    /// supervisor that was killed before it learned of it. It is left alone: its shim will report itself.
    pub async fn reopen(&self, opening: &Opening, former: &Former) -> Result<Survey, TmuxError> {
        // Two concurrent calls would both create the session.
        let _one = self.opening.lock().await;
        let listed = self.list_panes().await?;
        let (name, spec) = opening;
        let kept = former.pane.as_ref().and_then(|id| listed.iter().find(|l| l.pane == *id));
        let is_open = match kept {
            Some(pane) => !pane.dead && former.shim != Some(pane.pid) && self.is_ours(pane.pid),
            None => listed.iter().any(|l| l.process == name.as_str() && !l.dead),
        };
        if is_open {
            return self.survey().await;
        }
        let group = match kept {
            Some(pane) => {
                let respawn = TmuxCommand::new("respawn-pane -k -t").arg(&pane.pane);
                let mut group = vec![command::shim(respawn, &self.tmo, spec)];
                if !former.piped {
                    group.push(command::pipe(&pane.pane, &self.tmo, spec));
                }
                group
            }
            None => self.window(opening, !listed.iter().any(|l| l.ours)),
        };
        self.opened(vec![group], self.ask_survey()).await
    }

    /// Whether this process is alive and is tmo, not a program that the user runs in the pane.
    fn is_ours(&self, pid: u32) -> bool {
        sys::info(pid).is_some_and(|process| process.alive() && process.is_named_after(&self.tmo))
    }

    /// Pipe a pane's output again; `false` if nothing had to be done.
    ///
    /// If the sink was killed, always pipe again: while the pane is silent tmux does not notice and
    /// still reports a pipe. If the pipe was `closed` in order, do so only if tmux has not opened
    /// another pipe since: a new one would end the sink of that pipe.
    pub async fn pipe(&self, pane: &str, spec: &Path, closed: bool) -> Result<bool, TmuxError> {
        if closed {
            // If this pane is gone, `display-message` would answer for another one.
            let format = "#{pane_id} #{pane_pipe}#{pane_dead}";
            let ask = TmuxCommand::new("list-panes -a -F").arg(format);
            let said = self.call(ask.words().to_vec()).await?;
            if !said.lines().any(|line| line.split_once(' ') == Some((pane, "00"))) {
                return Ok(false);
            }
        }
        self.call(command::pipe(pane, &self.tmo, spec).words().to_vec()).await?;
        Ok(true)
    }
}

impl Tmux {
    /// Type into a pane literally. This ends copy mode first, even if there is nothing to type: in copy mode tmux would
    /// take the keys, and viewers would not see what the process prints.
    pub async fn type_bytes(&self, pane: &str, bytes: &[u8]) -> Result<(), TmuxError> {
        let leave = leave_copy_mode(pane);
        if bytes.is_empty() {
            return self.call(leave.words().to_vec()).await.map(drop);
        }
        let mut clean = self.typing.lock().await;
        if !*clean {
            self.delete_buffers().await?;
        }
        *clean = false;
        let buffer = unique_name();
        let load = TmuxCommand::new("load-buffer -b").arg(&buffer).arg("-");
        let paste = TmuxCommand::new("paste-buffer -d -r -b").arg(&buffer);
        let words = command::batches(&[vec![load, leave, paste.arg("-t").arg(pane)]]).concat();
        let done = self.call_with(words, Some(bytes)).await;
        *clean = match &done {
            Ok(_) => true,
            // The client may have been killed after it had read the text.
            Err(_) => self.delete_buffers().await.is_ok(),
        };
        done.map(drop)
    }

    /// Delete buffers left over from a supervisor that was killed while it typed.
    pub async fn clear_typed(&self) -> Result<(), TmuxError> {
        let mut clean = self.typing.lock().await;
        self.delete_buffers().await?;
        *clean = true;
        Ok(())
    }

    async fn delete_buffers(&self) -> Result<(), TmuxError> {
        let ask = TmuxCommand::new("list-buffers -F").arg("#{buffer_name}");
        let listed = self.call(ask.words().to_vec()).await?;
        let left = listed.lines().filter(|name| name.starts_with(UNIQUE));
        let delete = |name| vec![TmuxCommand::new("delete-buffer -b").arg(name)];
        self.call_all(left.map(delete).collect()).await
    }
}

/// End copy mode in a pane that is in it.
fn leave_copy_mode(pane: &str) -> TmuxCommand {
    let is_copying = "#{||:#{==:#{pane_mode},copy-mode},#{==:#{pane_mode},view-mode}}";
    let check = TmuxCommand::new("if-shell -F -t").arg(pane).arg(is_copying);
    check.arg(format!("send-keys -t {pane} -X cancel"))
}
