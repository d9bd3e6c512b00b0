//! Making the runtime directory again after something has removed it during the run: the end of a login session, or a
//! program that tidies up.
//!
//! Everything in it follows from what the supervisor holds in memory, and its lock from the fact that nothing else has
//! taken the place of the directory. A sink makes its bell again when it rings the next time; until then the supervisor
//! looks at the files of a process that has a request.

use super::core::Engine;
use super::event_loop::make_dirs;
use crate::config::place::dirs::make_private_dir;
use crate::run::lock::RunLock;

impl Engine {
    /// Make the runtime directory and its files again if they are gone. Called before a request is carried out, so
    /// that it either finds everything or is refused before anything is touched.
    pub(super) fn restore_files(&mut self) -> Result<(), String> {
        let dir = self.runtime.dir().to_owned();
        let is_deleted = self.lock.as_ref().is_some_and(RunLock::is_deleted);
        if !is_deleted || self.runtime.panes().exists() || self.is_deposed() {
            return Ok(());
        }
        let named = |error: &dyn std::fmt::Display| {
            format!(
                "the runtime directory {} is gone and can't be made again: {error}",
                dir.display()
            )
        };
        make_private_dir(&dir).map_err(|error| named(&error))?;
        make_dirs(&self.runtime).map_err(|error| named(&error))?;
        self.lock = Some(RunLock::acquire(&dir).map_err(|error| named(&error))?);
        self.runtime.write_plan(&self.plan).map_err(|error| named(&error))?;
        let wants = self.saved.supervisor.wants();
        self.decided(wants);
        self.carry_out();
        tracing::warn!(dir = %dir.display(), "the runtime directory was removed: made again");
        Ok(())
    }
}
