//! Terminals without tmux: each has a shim that opens it, and a holder that takes what is printed.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep, timeout};

use super::{Listed, Opening, Survey, TerminalError};
use crate::model::plan::Plan;
use crate::model::terminal::emulator::Screen;
use crate::model::text::OsText;
use crate::protocol::paths::{PanePaths, terminals_dir};
use crate::protocol::terminal::{
    Frames, FromClient, FromHolder, Hello, LONGEST_FRAME, Opener, VERSION, WantedScreen,
};

/// What the terminals call themselves.
const TERM: &str = "xterm-256color";

/// How long a holder may take to answer.
const HOLDER_PATIENCE: Duration = Duration::from_secs(5);

/// How long to wait for a holder to listen, and how often to look: no event tells that it does.
const SOON: Duration = Duration::from_secs(3);
const RETRY: Duration = Duration::from_millis(20);

/// The terminals of one run.
#[derive(Debug, Clone)]
pub struct Native {
    tmo: PathBuf,
    runtime: PathBuf,
    env: BTreeMap<OsText, OsText>,
    /// The size of new terminals.
    size: Arc<Mutex<(u16, u16)>>,
}

impl Native {
    /// The terminals of this plan; nothing is started yet.
    pub(super) fn new(plan: &Plan, runtime: &Path) -> Self {
        let own = super::env_of_terminals(plan);
        let color = OsText::from("COLORTERM");
        // The terminal shows all colours, unless an env file has another value.
        let color = (own.contains_key(&color)
            || plan.env_to_pass_on().all(|(name, _)| *name != color))
        .then(|| (color, "truecolor".into()));
        let mut env: BTreeMap<_, _> =
            own.into_iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        env.extend([
            ("TERM".into(), TERM.into()),
            ("TERM_PROGRAM".into(), "tmo".into()),
            ("TERM_PROGRAM_VERSION".into(), env!("CARGO_PKG_VERSION").into()),
        ]);
        env.extend(color);
        Self {
            tmo: plan.tmo.as_path().to_owned(),
            runtime: runtime.to_owned(),
            env,
            size: Arc::new(Mutex::new(plan.size)),
        }
    }

    /// Start a shim, which opens a terminal, for each of these.
    pub fn open(&self, openings: &[Opening]) -> Result<Survey, TerminalError> {
        let panes = openings.iter().map(|opening| self.open_one(opening));
        Ok(Survey { server: None, panes: panes.collect::<Result<_, _>>()? })
    }

    fn open_one(&self, (name, spec): &Opening) -> Result<Listed, TerminalError> {
        let size = *self.size.lock().unwrap_or_else(PoisonError::into_inner);
        let opener = Opener { size, supervisor: std::process::id() };
        let mut command = tokio::process::Command::new(&self.tmo);
        command.arg("shim").arg(spec).args(opener.arguments());
        command.env_clear().envs(self.env.iter().map(|(name, value)| (&name.0, &value.0)));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.current_dir("/").spawn();
        let child =
            child.map_err(|source| TerminalError::Spawn { program: self.tmo.clone(), source })?;
        Ok(Listed {
            pane: PanePaths::beside(spec).slug(),
            // Known until it is waited for.
            pid: child.id().unwrap_or(0),
            dead: false,
            ours: true,
            process: name.as_str().to_owned(),
            window: String::new(),
        })
    }

    /// Give this size to all terminals that no client shows, and to those that are opened later.
    pub(super) async fn resize(&self, columns: u16, rows: u16) -> Result<(), TerminalError> {
        *self.size.lock().unwrap_or_else(PoisonError::into_inner) = (columns, rows);
        let sockets = std::fs::read_dir(terminals_dir(&self.runtime))?;
        for socket in sockets.flatten() {
            // A terminal that has just been closed has no size.
            if let Ok(mut client) = Client::dial(&socket.path()).await {
                let _ = client.send(&FromClient::OwnSize((columns, rows))).await;
            }
        }
        Ok(())
    }

    /// What a terminal shows.
    pub(super) async fn screen(
        &self,
        pane: &str,
        wanted: WantedScreen,
    ) -> Result<Screen, TerminalError> {
        let mut client = Client::dial_soon(&self.socket(pane)).await?;
        client.send(&FromClient::Screen(wanted)).await?;
        loop {
            if let FromHolder::Screen(screen) = client.next().await? {
                return Ok(*screen);
            }
        }
    }

    /// Type into a terminal.
    pub(super) async fn type_bytes(&self, pane: &str, bytes: &[u8]) -> Result<(), TerminalError> {
        let Client { mut stream, mut frames } = Client::dial_soon(&self.socket(pane)).await?;
        let (mut from, mut to) = stream.split();
        let inputs = bytes.chunks(LONGEST_FRAME).map(|part| FromClient::Input(part.to_vec()));
        let all = inputs.chain([FromClient::Typed]).flat_map(|frame| frame.encode());
        let all: Vec<u8> = all.collect();
        let (mut sent, mut taken) = (0, None);
        loop {
            tokio::select! {
                written = to.write(&all[sent..]), if sent < all.len() => sent += written?,
                frame = next(&mut frames, &mut from) => match (frame, taken) {
                    (Ok(FromHolder::Typed), _) => return Ok(()),
                    (Ok(FromHolder::Taken(count)), _) => taken = Some(count),
                    (Ok(FromHolder::Discarded), _) => {
                        let (taken, of) = (taken.unwrap_or(0), bytes.len());
                        return Err(TerminalError::Ended { taken, of });
                    }
                    (Err(error), Some(taken)) if error.kind() == io::ErrorKind::TimedOut => {
                        return Err(TerminalError::Unread { taken, of: bytes.len() });
                    }
                    (Err(error), _) => return Err(error.into()),
                    (Ok(_), _) => {}
                },
            }
        }
    }

    fn socket(&self, pane: &str) -> PathBuf {
        PanePaths::of_slug(&self.runtime, pane).terminal()
    }
}

/// Whether nobody listens.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

/// A client of a holder that does not look at the terminal.
struct Client {
    stream: UnixStream,
    frames: Frames,
}

impl Client {
    /// The same with a holder that may not listen yet, or is just being replaced.
    async fn dial_soon(path: &Path) -> io::Result<Self> {
        let until = Instant::now() + SOON;
        loop {
            match Self::dial(path).await {
                Err(error) if is_absent(&error) && Instant::now() < until => sleep(RETRY).await,
                dialled => return dialled,
            }
        }
    }

    async fn dial(path: &Path) -> io::Result<Self> {
        let stream = timeout(HOLDER_PATIENCE, UnixStream::connect(path)).await??;
        let mut client = Self { stream, frames: Frames::default() };
        let hello = Hello { version: VERSION, follows_input: true, ..Hello::default() };
        client.send(&FromClient::Hello(hello)).await?;
        Ok(client)
    }

    async fn send(&mut self, frame: &FromClient) -> io::Result<()> {
        timeout(HOLDER_PATIENCE, self.stream.write_all(&frame.encode())).await?
    }

    async fn next(&mut self) -> io::Result<FromHolder> {
        next(&mut self.frames, &mut self.stream).await
    }
}

/// The next frame of a holder. Cancel-safe.
async fn next(
    frames: &mut Frames,
    stream: &mut (impl AsyncRead + Unpin),
) -> io::Result<FromHolder> {
    let mut buffer = vec![0; LONGEST_FRAME];
    loop {
        if let Some(frame) = frames.of_holder().map_err(io::Error::other)? {
            return Ok(frame);
        }
        match timeout(HOLDER_PATIENCE, stream.read(&mut buffer)).await?? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => frames.add(&buffer[..read]),
        }
    }
}
