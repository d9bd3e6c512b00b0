//! A running `tmo web`.

use std::process::{Child, Command, Stdio};

use crate::harness::procs::{self, kill};
use crate::harness::{World, eventually};

/// `tmo web` in a world, and the link that it printed.
pub(crate) struct WebServer<'a> {
    world: &'a World,
    child: Child,
    pub(crate) link: String,
}

/// The link in a text.
pub(crate) fn link_in(text: &str) -> Option<String> {
    text.split_whitespace().find(|word| word.starts_with("http://")).map(str::to_owned)
}

impl<'a> WebServer<'a> {
    /// Start it at a free port.
    pub(crate) fn start(world: &'a World) -> Self {
        Self::start_with(world, &[])
    }

    /// Start it with options.
    pub(crate) fn start_with(world: &'a World, options: &[&str]) -> Self {
        let mut command = world.tmo(["web", "--port", "0"]);
        command.args(options);
        Self::start_as(world, command)
    }

    /// Start this command, which must serve the page.
    pub(crate) fn start_as(world: &'a World, mut command: Command) -> Self {
        let out = world.path().join("web.out");
        let file = std::fs::File::create(&out).unwrap();
        // Use the files of the page from this directory, to test changes without a build.
        if let Some(dir) = std::env::var_os("TMO_WEB_ASSETS") {
            command.env("TMO_WEB_ASSETS", dir);
        }
        let child = command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        let child = child.spawn().unwrap();
        let link = eventually("tmo web prints a link", || {
            link_in(&std::fs::read_to_string(&out).unwrap())
        });
        Self { world, child, link }
    }

    /// The output so far.
    pub(crate) fn output(&self) -> String {
        std::fs::read_to_string(self.world.path().join("web.out")).unwrap()
    }

    /// Wait until it ends by itself.
    pub(crate) fn wait(mut self) {
        assert!(self.child.wait().unwrap().success(), "{}", self.output());
    }

    /// The process id of the guardian.
    pub(crate) fn guardian(&self) -> u32 {
        self.child.id()
    }

    /// The process id of the server.
    pub(crate) fn pid(&self) -> u32 {
        eventually("the server runs", || {
            let all = self.world.living();
            let is_child =
                |pid| tmo::sys::info(pid).is_some_and(|info| info.ppid == self.guardian());
            let is_it = |p: &&procs::Proc| {
                is_child(p.pid) && p.args.get(1).is_some_and(|verb| verb == "web-server")
            };
            all.iter().find(is_it).map(|p| p.pid)
        })
    }

    /// End it as Ctrl-C does.
    pub(crate) fn end(mut self) {
        kill(self.child.id(), nix::libc::SIGINT);
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for WebServer<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
