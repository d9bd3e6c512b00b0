//! The files of the page (`assets/web/`), which are part of the program.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use super::answers::{file, problem};
use crate::api::version::OURS;

// `FILES`: path and content of each file, made by `build.rs`.
include!(concat!(env!("OUT_DIR"), "/web_assets.rs"));

/// The page, for this version of its files.
pub(super) fn page() -> Response {
    match find("index.html") {
        Some(page) => {
            let page = String::from_utf8_lossy(&page).replace("{{version}}", OURS);
            file("text/html; charset=utf-8", page)
        }
        None => problem(StatusCode::NOT_FOUND, "this tmo was built without the page"),
    }
}

/// The file with this path, which begins with the version.
pub(super) fn asset(path: &str) -> Response {
    let name = path.strip_prefix("/a/").and_then(|path| path.split_once('/'));
    let Some((version, name)) = name else { return missing() };
    let (Some(content), Some(kind)) = (find(name), kind(name)) else { return missing() };
    let mut response = file(kind, content.into_owned());
    if version == OURS && !from_disk() {
        let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
        response.headers_mut().insert(header::CACHE_CONTROL, forever);
    }
    response
}

fn missing() -> Response {
    problem(StatusCode::NOT_FOUND, "there is no such file")
}

/// In a debug build the files can be those of a directory, to see changes without building.
fn from_disk() -> bool {
    cfg!(debug_assertions) && disk().is_some()
}

fn disk() -> Option<std::path::PathBuf> {
    crate::config::Env::real().caller_dir("TMO_WEB_ASSETS")
}

fn find(name: &str) -> Option<std::borrow::Cow<'static, [u8]>> {
    let known = FILES.iter().find(|(path, _)| *path == name);
    if from_disk() && !name.split('/').any(|part| part == "..") {
        return crate::sys::files::read_plain(&disk()?.join(name)).ok().map(Into::into);
    }
    known.map(|(_, content)| (*content).into())
}

fn kind(name: &str) -> Option<&'static str> {
    Some(match name.rsplit_once('.')?.1 {
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "txt" => "text/plain; charset=utf-8",
        "json" => "application/json",
        _ => return None,
    })
}
