//! Checks the access to the web interface: the file of its users, and the running web servers.

use std::fmt::Write as _;

use super::report::Report;
use crate::cli::runtime;
use crate::config::Env;
use crate::config::dirs::runtime_base;
use crate::sys::tcp_sockets;
use crate::web::access::users::{self, Users};
use crate::web::server::command_socket::{self, NoAnswer};

const CHECK: &str = "web";

/// Check the users and the servers.
pub(super) fn look(report: &mut Report, env: &Env) {
    if let Some(path) = users::path(env) {
        match Users::read(&path) {
            Err(error) => report.fail(CHECK, error),
            Ok(all) if all.users.is_empty() => {}
            Ok(all) => report.ok(CHECK, format!("users: {}", all.users.len())),
        }
    }
    for (port, path) in command_socket::all(&runtime_base(env).join("web")) {
        let asked = runtime::block_on(async { Ok(command_socket::about(&path).await) });
        match asked {
            Ok(Ok(about)) => server(report, port, &about),
            Ok(Err(NoAnswer::Silent)) => report.fail(CHECK, crate::cli::web::silent(port)),
            Ok(Err(NoAnswer::NoServer)) | Err(_) => {}
        }
    }
}

fn server(report: &mut Report, port: u16, about: &command_socket::About) {
    let addresses = tcp_sockets(port).into_iter().map(|(at, _)| at.ip());
    let far = addresses.filter(|ip| !ip.to_canonical().is_loopback()).min();
    let mut text = format!("a server listens at port {port}");
    if let Some(far) = far {
        let _ = write!(text, " of {far}, too, which other machines can reach");
    }
    if let Some(public) = &about.public {
        let _ = write!(text, "; its public address is {public}");
    }
    if about.has_token {
        text += "; programs have access with a token";
    }
    if about.public.is_some() && about.proxies.is_empty() {
        let more =
            "; without --trusted-proxy, all its browsers share one delay after wrong passwords";
        return report.note(CHECK, text + more);
    }
    report.ok(CHECK, text);
}
