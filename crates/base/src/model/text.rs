//! Text from the operating system, in JSON: usually but not necessarily UTF-8.

pub mod hex;
pub mod shell;
pub mod untrusted;

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// The start of a text that a message quotes, if it is long.
pub fn shortened(text: &str) -> Cow<'_, str> {
    cut(text, 200)
}

/// The first `most` characters, with `…` for the rest.
pub fn cut(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", &text[..at]).into(),
        None => text.into(),
    }
}

/// Bytes from the operating system (an environment value, an argument, a path).
///
/// In JSON it is a string if the bytes are UTF-8, otherwise an array of numbers, so any value survives the
/// round trip through a file unchanged.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct OsText(pub OsString);

impl OsText {
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    pub fn as_os_str(&self) -> &OsStr {
        &self.0
    }

    pub fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }
}

impl std::fmt::Debug for OsText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::fmt::Display for OsText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.display().fmt(f)
    }
}

impl<T: Into<OsString>> From<T> for OsText {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

impl Serialize for OsText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.to_str() {
            Some(text) => serializer.serialize_str(text),
            None => serializer.collect_seq(self.0.as_bytes()),
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Form {
    Text(String),
    Bytes(Vec<u8>),
}

impl<'de> Deserialize<'de> for OsText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Form::deserialize(deserializer)? {
            Form::Text(text) => Self(text.into()),
            Form::Bytes(bytes) => Self(OsString::from_vec(bytes)),
        })
    }
}

impl PartialSchema for OsText {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String);
        let byte = ObjectBuilder::new().schema_type(Type::Integer);
        let byte = byte.minimum(Some(0)).maximum(Some(255));
        let bytes = ArrayBuilder::new().items(byte);
        let what =
            "A path or another text of the system: a string, or its bytes where it is no UTF-8";
        OneOfBuilder::new().item(text).item(bytes).description(Some(what)).into()
    }
}

impl ToSchema for OsText {}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    use super::OsText;

    proptest::proptest! {
        #[test]
        fn any_bytes_survive_json(bytes: Vec<u8>) {
            let text = OsText(OsString::from_vec(bytes));
            let json = serde_json::to_string(&text).unwrap();
            proptest::prop_assert_eq!(serde_json::from_str::<OsText>(&json).unwrap(), text);
        }
    }
}
