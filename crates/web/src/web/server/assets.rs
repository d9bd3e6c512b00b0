//! The files of the page (`crates/web/assets/`), which are part of the program.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::Mutex;

use axum::body::Bytes;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use flate2::read::DeflateDecoder;

use crate::api::version::OURS;
use crate::web::locked;
use crate::web::server::{Refusal, file};

// `FILES`: path and packed content of each file, made by `build.rs`.
include!(concat!(env!("OUT_DIR"), "/web_assets.rs"));

/// The path prefix of these files: their version, and a word that only the servers of this guardian know. A browser
/// thus never serves them from what another program at the same address left in its cache.
fn edition(word: &str) -> String {
    format!("{OURS}-{word}")
}

/// The page of a server with this word.
pub(crate) fn page(word: &str) -> Response {
    match unpacked("index.html") {
        Some(page) => {
            let page = String::from_utf8_lossy(&page).replace("{{version}}", &edition(word));
            file("text/html; charset=utf-8", page)
        }
        None => Refusal::new(StatusCode::NOT_FOUND, "this tmo was built without the page")
            .into_response(),
    }
}

/// The file with this path, which begins with the edition.
pub(crate) fn asset(path: &str, word: &str) -> Response {
    let name = path.strip_prefix("/a/").and_then(|path| path.split_once('/'));
    let Some((version, name)) = name else { return missing() };
    let (Some(content), Some(kind)) = (unpacked(name), kind(name)) else { return missing() };
    let mut response = file(kind, content);
    if version == edition(word) && !from_disk() {
        let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
        response.headers_mut().insert(header::CACHE_CONTROL, forever);
    }
    response
}

fn missing() -> Response {
    Refusal::new(StatusCode::NOT_FOUND, "there is no such file").into_response()
}

/// Whether files are read from a directory, which debug builds allow for work on the page.
fn from_disk() -> bool {
    cfg!(debug_assertions) && disk().is_some()
}

fn disk() -> Option<std::path::PathBuf> {
    crate::config::Env::real().caller_dir("TMO_WEB_ASSETS")
}

/// The content of a file. It is unpacked once, so that unread answers share one copy.
fn unpacked(name: &str) -> Option<Bytes> {
    static UNPACKED: Mutex<BTreeMap<&str, Bytes>> = Mutex::new(BTreeMap::new());
    if from_disk() && !name.split('/').any(|part| part == "..") {
        return crate::sys::files::read_plain(&disk()?.join(name)).ok().map(Bytes::from);
    }
    let (path, packed) = FILES.iter().find(|(path, _)| *path == name)?;
    let mut known = locked(&UNPACKED);
    if let Some(content) = known.get(path) {
        return Some(content.clone());
    }
    let mut content = vec![];
    DeflateDecoder::new(*packed).read_to_end(&mut content).ok()?;
    Some(known.entry(path).or_insert(content.into()).clone())
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt::Write as _;

    use axum::http::{StatusCode, header};
    use sha2::{Digest as _, Sha256};

    use super::{FILES, asset, edition, kind, page, unpacked};

    fn content(name: &str) -> Vec<u8> {
        unpacked(name).unwrap().to_vec()
    }

    #[test]
    fn files_of_other_projects_are_as_they_were_fetched_and_have_their_licence() {
        let sums = String::from_utf8(content("vendor/SHA256SUMS")).unwrap();
        let known: Vec<_> = sums.lines().map(|line| line.split_once("  ").unwrap()).collect();
        let vendored = FILES.iter().filter_map(|(path, _)| path.strip_prefix("vendor/"));
        for name in vendored.filter(|name| *name != "SHA256SUMS") {
            let mut sum = String::new();
            for byte in Sha256::digest(content(&format!("vendor/{name}"))) {
                write!(sum, "{byte:02x}").unwrap();
            }
            assert!(known.contains(&(&*sum, name)), "{name}: `shell/vendor` fetches it again");
            let dir = name.split('/').next().unwrap();
            assert!(
                content(&format!("vendor/{dir}/LICENSE.txt")).starts_with(b"Copyright"),
                "{dir}"
            );
        }
    }

    #[test]
    fn every_file_is_served_and_the_page_names_only_files_that_exist() {
        for (path, _) in FILES {
            if kind(path).is_none() {
                assert!(["index.html", "vendor/SHA256SUMS"].contains(path), "{path} has no type");
                continue;
            }
            let answer = asset(&format!("/a/{}/{path}", edition("0a")), "0a");
            assert_eq!(answer.status(), StatusCode::OK, "{path}");
            assert!(answer.headers().contains_key(header::CACHE_CONTROL), "{path}");
        }
        assert_eq!(page("0a").status(), StatusCode::OK);
        let html = String::from_utf8(content("index.html")).unwrap();
        for part in html.split("/a/{{version}}/").skip(1) {
            content(part.split('"').next().unwrap());
        }
        for wrong in ["/a/", "/a/x", "/a/x/../index.html", "/a/x/no.js"] {
            assert_eq!(asset(wrong, "0a").status(), StatusCode::NOT_FOUND, "{wrong}");
        }
    }

    #[test]
    fn scripts_make_no_markup_and_import_only_files_that_exist() {
        let own = FILES
            .iter()
            .filter(|(path, _)| path.rsplit_once('.').is_some_and(|(_, end)| end == "js"));
        for (path, _) in own {
            let text = String::from_utf8(content(path)).unwrap();
            for unsafe_word in
                ["innerHTML", "outerHTML =", "insertAdjacentHTML", "eval(", "Function("]
            {
                assert!(!text.contains(unsafe_word), "{path} has {unsafe_word}");
            }
            for part in text.split(" from '").skip(1) {
                let name = part.split('\'').next().unwrap();
                let mut parts: Vec<_> = path.split('/').collect();
                parts.pop();
                for step in name.split('/') {
                    match step {
                        "." => {}
                        ".." => assert!(parts.pop().is_some(), "{path}: {name}"),
                        step => parts.push(step),
                    }
                }
                let target = parts.join("/");
                assert!(FILES.iter().any(|(path, _)| *path == target), "{path}: {name}");
            }
        }
    }

    /// The colours of a theme: the variables of a block of `theme.css`.
    fn colors(block: &str) -> BTreeMap<&str, [u8; 3]> {
        let variables = block.split(['{', ';', '}']).filter_map(|part| part.split_once(": #"));
        let byte = |hex: &str, at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        variables.map(|(name, hex)| (name.trim(), [0, 2, 4].map(|at| byte(hex, at)))).collect()
    }

    /// The relative luminance of a colour, by WCAG 2.2.
    fn luminance(color: [u8; 3]) -> f64 {
        let [red, green, blue] = color.map(|part| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        });
        red.mul_add(0.2126, green.mul_add(0.7152, blue * 0.0722))
    }

    fn contrast(one: [u8; 3], other: [u8; 3]) -> f64 {
        let (one, other) = (luminance(one) + 0.05, luminance(other) + 0.05);
        (one / other).max(other / one)
    }

    #[test]
    fn all_texts_have_enough_contrast_in_both_themes() {
        assert!((contrast([0; 3], [255; 3]) - 21.0).abs() < 1e-9);
        let css = String::from_utf8(content("css/theme.css")).unwrap();
        let (light, dark) = css.split_once(":root[data-theme=\"dark\"]").unwrap();
        for (theme, block) in [("light", light), ("dark", dark)] {
            let colors = colors(block);
            let backgrounds = ["--page", "--panel", "--row"];
            // Lines only separate; a match has a background of its own.
            let no_text = [&backgrounds[..], &["--line", "--mark", "--tick"]].concat();
            let texts: Vec<_> = colors.keys().filter(|name| !no_text.contains(name)).collect();
            assert_eq!(texts.len(), 10 + 16, "{theme}: {texts:?}");
            for text in texts {
                for background in backgrounds {
                    let found = contrast(colors[text], colors[background]);
                    assert!(found >= 4.5, "{theme}: {text} on {background}: {found:.2}:1");
                }
            }
            for (what, one, other, least) in [
                ("a match", "--text", "--mark", 4.5),
                ("a tick beside the scroll bar", "--tick", "--panel", 3.0),
            ] {
                let found = contrast(colors[one], colors[other]);
                assert!(found >= least, "{theme}: {what}: {found:.2}:1");
            }
        }
    }
}
