//! A server, and the ways to it: directly, through nginx, and by its name through `tmo web`.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;

use crate::harness::ports::free_port;
use crate::harness::{World, eventually};
use crate::shared::memory;
use crate::web_server::WebServer;

/// How a request gets to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// Without a proxy.
    Direct,
    /// Through nginx with nothing but `proxy_pass`, which connects for each request.
    Plain,
    /// Through nginx, which keeps connections.
    KeepAlive,
    /// By the name of the process.
    Tmo,
}

/// Where requests are sent.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    port: u16,
    pub(crate) host: String,
}

impl Target {
    /// The address of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

/// Everything runs.
pub(crate) struct Stack<'a> {
    web: WebServer<'a>,
    /// The ports of the server, and of nginx without and with kept connections.
    ports: [u16; 3],
    /// The worker of the nginx that is a proxy.
    nginx: u32,
}

/// A program, which may be outside of the `PATH` of users.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let elsewhere = || Some(PathBuf::from(format!("/usr/sbin/{name}"))).filter(|at| at.exists());
    which::which(name).ok().or_else(elsewhere)
}

/// The version of a program: the first line that it prints for this flag, up to the copyright.
pub(crate) fn version(name: &str, flag: &str) -> String {
    let output = Command::new(find(name).unwrap()).arg(flag).output().unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let line = text.lines().next().unwrap_or_default();
    let line = line.trim_start_matches("nginx version: ");
    line.split(" [").next().unwrap_or(line).trim().to_owned()
}

/// What both configurations have in common.
fn configuration(world: &World, name: &str, http: &str) -> String {
    let dir = world.path().join(name).display().to_string();
    let user = if nix::unistd::geteuid().is_root() { "user root;" } else { "" };
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {dir}-{kind};"))
        .join(" ");
    format!(
        "daemon off; worker_processes 1; {user} pid {dir}.pid; error_log {dir}.err;\n\
         events {{ worker_connections 2048; }}\n\
         http {{ access_log off; keepalive_requests 1000000; {temporary}\n{http}\n}}\n"
    )
}

/// A world whose server has a file of this size.
pub(crate) fn world(download: u64) -> World {
    let nginx = find("nginx").unwrap();
    let nginx = nginx.display();
    let world = World::new(&format!(
        "server: exec {nginx} -c $PWD/server.conf\nproxy: exec {nginx} -c $PWD/proxy.conf\n"
    ));
    std::fs::File::create(world.app().join("large")).unwrap().set_len(download).unwrap();
    world
}

impl<'a> Stack<'a> {
    pub(crate) fn start(world: &'a World) -> Self {
        let ports = [free_port(), free_port(), free_port()];
        let [server, plain, kept] = ports;
        let large = world.app().join("large").display().to_string();
        let answers = format!(
            "server {{ listen 127.0.0.1:{server} backlog=1024;\n\
             location / {{ return 200 \"hello from the server, with some text so that it is a page\\n\"; }}\n\
             location /large {{ alias {large}; sendfile on; }} }}"
        );
        world.write("server.conf", &configuration(world, "server", &answers));
        let passes = format!(
            "upstream kept {{ server 127.0.0.1:{server}; keepalive 64; }}\n\
             server {{ listen 127.0.0.1:{plain} backlog=1024; location / {{ proxy_pass http://127.0.0.1:{server}; }} }}\n\
             server {{ listen 127.0.0.1:{kept} backlog=1024; location / {{ proxy_pass http://kept;\n\
             proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_set_header Host $http_host; }} }}"
        );
        world.write("proxy.conf", &configuration(world, "proxy", &passes));
        world.ok(["start", "-D", "--title", "Bench"]);
        let master = world.field("proxy", "pid");
        // Its title is where its environment was, so it is not among those of the world.
        let children = format!("/proc/{master}/task/{master}/children");
        let nginx = eventually("nginx has a worker", || {
            std::fs::read_to_string(&children).ok()?.split_whitespace().next()?.parse().ok()
        });
        for port in ports {
            eventually("nginx listens", || TcpStream::connect(("127.0.0.1", port)).ok());
        }
        Self { web: WebServer::start(world), ports, nginx }
    }

    /// Where requests of this route are sent.
    pub(crate) fn target(&self, route: Route) -> Target {
        let port = match route {
            Route::Direct => self.ports[0],
            Route::Plain => self.ports[1],
            Route::KeepAlive => self.ports[2],
            Route::Tmo => {
                let (_, rest) = self.web.link.rsplit_once(':').unwrap();
                rest.split('/').next().unwrap().parse().unwrap()
            }
        };
        let name = if route == Route::Tmo { "server.bench.localhost" } else { "127.0.0.1" };
        Target { port, host: format!("{name}:{port}") }
    }

    /// The process that passes requests on.
    pub(crate) fn proxy(&self, route: Route) -> u32 {
        if route == Route::Tmo { self.web.pid() } else { self.nginx }
    }

    /// By how much the memory of the proxy grows while this much is downloaded, in MiB.
    pub(crate) fn download(&self, route: Route, size: u64) -> f64 {
        let (target, proxy) = (self.target(route), self.proxy(route));
        let before = memory(proxy).pss;
        let mut stream = TcpStream::connect(("127.0.0.1", target.port)).unwrap();
        let host = &target.host;
        write!(stream, "GET /large HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
        let (mut buffer, mut read, mut most) = (vec![0; 1 << 20], 0, before);
        let mut next = 0;
        loop {
            let now = stream.read(&mut buffer).unwrap() as u64;
            if now == 0 {
                break;
            }
            read += now;
            if read >= next {
                next += size / 64;
                most = most.max(memory(proxy).pss);
            }
        }
        assert!(read > size, "{read} of {size} bytes");
        (most - before) / 1024.0
    }

    pub(crate) fn end(self, world: &World) {
        self.web.end();
        world.ok(["quit"]);
    }
}
