//! Which variables look like secrets, so that their values are not written into files that are committed or shared.

/// The parts of names of variables with secret values.
const NAMES: [&str; 15] = [
    "PASS",
    "PWD",
    "SECRET",
    "TOKEN",
    "_KEY",
    "APIKEY",
    "KEY_",
    "PRIVATE",
    "CREDENTIAL",
    "SALT",
    "DSN",
    "AUTH",
    "COOKIE",
    "SIGNATURE",
    "WEBHOOK",
];
/// The parts of values that show the same, in lower case.
const VALUES: [&str; 6] = ["password=", "pwd=", "private key-----", "ghp_", "xox", "bearer "];

/// Whether the name or the value of a variable looks like a secret.
pub fn is_secret(name: &str, value: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    !value.is_empty() && NAMES.iter().any(|part| upper.contains(part)) || has_password(value)
}

/// Whether a value has a password in it, such as that of a URL.
fn has_password(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    let is_user = |rest: &str| {
        let word = rest.split(char::is_whitespace).next().unwrap_or_default();
        let user = word.rsplit_once('@').map(|(user, _)| user);
        user.is_some_and(|user| user.split_once(':').is_some_and(|(_, word)| !word.is_empty()))
    };
    VALUES.iter().any(|part| lower.contains(part)) || value.split("://").skip(1).any(is_user)
}
