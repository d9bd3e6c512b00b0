//! The programs that run under tmo here, and a client. They are parts of this binary, selected by hidden
//! arguments.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};

use crate::chaos::config::CONFIGURED;
pub(crate) use crate::common::programs::command;
use crate::harness::pause;
use crate::lines;
use crate::random::Random;

/// The numbers of one life begin at this multiple.
pub(crate) const LIFE: u64 = 1_000_000_000;
/// What a writer ends with when it ends by itself.
pub(crate) const BY_ITSELF: u8 = 3;

/// Run one of the programs.
pub(crate) fn run(program: &str, words: &[String]) -> ExitCode {
    match (program, words) {
        ("write", [name]) => Writer::begin(name).run(),
        ("listen", [port]) => listen(port),
        ("ask", [socket, method, path, body]) => ask(socket, method, path, body),
        _ => ExitCode::from(2),
    }
}

/// What a writer has noted of one life, where a kill can't take it away.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Note {
    /// Lines of which something may have been written.
    pub(crate) begun: u64,
    /// Lines that the terminal has taken whole.
    pub(crate) done: u64,
    /// It came to its end.
    pub(crate) ended: bool,
}

impl Note {
    /// Read it from `lives/<name>.<life>`.
    pub(crate) fn read(path: &std::path::Path) -> Option<Self> {
        let mut bytes = [0; 24];
        File::open(path).ok()?.read_exact(&mut bytes).ok()?;
        let at = |i: usize| u64::from_le_bytes(bytes[8 * i..8 * i + 8].try_into().unwrap());
        Some(Self { begun: at(0), done: at(1), ended: at(2) != 0 })
    }

    fn write(self, to: &File) {
        let mut bytes = [0; 24];
        for (i, word) in [self.begun, self.done, u64::from(self.ended)].into_iter().enumerate() {
            bytes[8 * i..8 * i + 8].copy_from_slice(&word.to_le_bytes());
        }
        to.write_all_at(&bytes, 0).unwrap();
    }
}

struct Writer<'a> {
    name: &'a str,
    out: File,
    file: File,
    note: Note,
    first: u64,
    held: Vec<u8>,
    random: Random,
    stop: Arc<AtomicBool>,
    code: Arc<AtomicUsize>,
}

impl<'a> Writer<'a> {
    fn begin(name: &'a str) -> Self {
        let (stop, code) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let by_itself = usize::from(BY_ITSELF);
        signal_hook::flag::register_usize(SIGUSR1, Arc::clone(&code), by_itself).unwrap();
        for signal in [SIGINT, SIGTERM, SIGUSR1] {
            signal_hook::flag::register(signal, Arc::clone(&stop)).unwrap();
        }
        // The first number that is free: each life has one of its own.
        let free = |life: &u64| {
            let path = format!("lives/{name}.{life:06}");
            let file = File::options().write(true).create_new(true).open(path).ok()?;
            Note::default().write(&file);
            Some((*life, file))
        };
        let (life, file) = (1..).find_map(|life| free(&life)).unwrap();
        Self {
            name,
            out: File::from(std::io::stdout().as_fd().try_clone_to_owned().unwrap()),
            file,
            note: Note::default(),
            first: life * LIFE,
            held: vec![],
            random: Random::new(life),
            stop,
            code,
        }
    }

    fn run(mut self) -> ExitCode {
        let mut burst = 0;
        while !self.stop.load(Ordering::SeqCst) {
            let time = match self.name {
                "fast" => {
                    let until = self.random.below(200 << 10);
                    let mut sent = 0;
                    while sent < until && !self.stop.load(Ordering::SeqCst) {
                        sent += self.send();
                    }
                    Duration::from_millis(40)
                }
                "even" => {
                    self.line();
                    Duration::from_millis(5)
                }
                _ => {
                    burst += 1;
                    if burst <= 200 {
                        self.line();
                        continue;
                    }
                    Duration::from_millis(10)
                }
            };
            pause(time);
        }
        let rest = std::mem::take(&mut self.held);
        self.put(&rest);
        self.note.ended = true;
        self.note.write(&self.file);
        ExitCode::from(u8::try_from(self.code.load(Ordering::SeqCst)).unwrap())
    }

    /// A piece that ends anywhere.
    fn send(&mut self) -> u64 {
        let most = if self.random.once_in(4) { 200 } else { 16 << 10 };
        let size = 1 + self.random.below(most);
        while (self.held.len() as u64) < size {
            self.next();
        }
        let piece: Vec<u8> = self.held.drain(..usize::try_from(size).unwrap()).collect();
        self.put(&piece);
        size
    }

    /// One line by one write.
    fn line(&mut self) {
        self.next();
        let line = std::mem::take(&mut self.held);
        self.put(&line);
    }

    fn next(&mut self) {
        lines::push(self.name, self.first + self.note.begun, &mut self.held);
        self.note.begun += 1;
    }

    fn put(&mut self, bytes: &[u8]) {
        self.note.write(&self.file);
        self.out.write_all(bytes).unwrap();
        self.note.done += memchr::memchr_iter(b'\n', bytes).count() as u64;
        self.note.write(&self.file);
    }
}

/// What is asked for where the answer is that it can't be done.
pub(crate) const SORRY: &str = "/sorry";

/// Take connections, and answer those who ask for something.
fn listen(port: &str) -> ExitCode {
    let Ok(listener) = TcpListener::bind(format!("127.0.0.1:{port}")) else {
        return ExitCode::FAILURE;
    };
    for mut stream in listener.incoming().flatten() {
        // A client that only probes the port has gone by then.
        let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
        let mut asked = [0; 1024];
        let length = stream.read(&mut asked).unwrap_or(0);
        let asked = String::from_utf8_lossy(&asked[..length]);
        let status = if asked.contains(SORRY) { "503 Sorry" } else { "200 OK" };
        let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
    }
    ExitCode::SUCCESS
}

/// A port for this one, as free as the others of these worlds leave it.
pub(crate) fn port(name: &str) -> u16 {
    static PORTS: OnceLock<Vec<u16>> = OnceLock::new();
    let all = PORTS.get_or_init(|| {
        let free = CONFIGURED.map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
        free.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
    });
    all[CONFIGURED.iter().position(|known| *known == name).unwrap()]
}

/// Send a request to the control socket; 0 on success, 1 on failure, 3 without an answer.
fn ask(socket: &str, method: &str, path: &str, body: &str) -> ExitCode {
    let asked = || -> std::io::Result<String> {
        let mut stream = UnixStream::connect(socket)?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let Ok(answer) = asked() else { return ExitCode::from(3) };
    println!("{answer}");
    match answer.split(' ').nth(1) {
        Some(status) if status.starts_with('2') => ExitCode::SUCCESS,
        Some(_) => ExitCode::FAILURE,
        None => ExitCode::from(3),
    }
}

/// What the other processes run.
pub(crate) const SCRIPTS: [(&str, &str); 3] = [
    // Deaf to all that asks, with a tree that is as deaf.
    (
        "deaf.sh",
        "trap '' INT TERM HUP QUIT\n\
         sh -c 'while :; do sleep 1000; done' &\n\
         setsid sh -c 'while :; do sleep 1000; done' &\n\
         ( setsid sleep 1000 & )\n\
         echo grown\n\
         while :; do sleep 1000; done\n",
    ),
    // Out of sight in every way that leaves the environment.
    (
        "fork.sh",
        "( ( sleep 1000 & ) & )\n\
         ( sh -c 'sleep 1000 & setsid sleep 1000 &' & )\n\
         nohup setsid sh -c 'nohup sleep 1000 & wait' >/dev/null 2>&1 &\n\
         setsid sh -c 'sleep 1000 & exit 0' &\n\
         echo grown\n\
         sleep 1000 & wait\n",
    ),
    ("talk.sh", "echo ask me\nwhile read -r x; do echo \"heard <$x>\"; done\n"),
];
