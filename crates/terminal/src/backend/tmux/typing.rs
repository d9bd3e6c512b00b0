//! Typing into a pane through a tmux buffer.
//!
//! The text goes through the standard input of a client, because every user of the machine can read the
//! arguments of a process.

use super::command::{self, TmuxCommand, UNIQUE, unique_name};
use super::server::{Tmux, TmuxError};

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
