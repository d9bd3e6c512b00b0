//! The files of an export, and how they are told from those that a user has written or edited.

use sha2::{Digest as _, Sha256};

use super::format::ExportFormat;
use crate::model::text::hex::hex;

/// Begins the line by which an exported file is recognized.
const MARK: &str = "Written by `tmo export ";
/// Ends it. In XML, no comment may have two dashes.
const END: &str = ", which replaces it as long as it is not edited";
/// How many of its first lines may hold the mark: some formats need others before it.
const LINES: usize = 4;

#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ExportedFile {
    /// Its path, relative to the directory of the export.
    pub name: String,
    /// Its content.
    pub text: String,
    #[serde(skip)]
    pub is_program: bool,
    /// Whether only its owner may read it.
    #[serde(skip)]
    pub is_private: bool,
}

/// Who has written a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileOrigin {
    /// An export; it is as it was written.
    Export,
    /// An export, but it was edited since.
    Edited,
    /// Somebody else.
    Other,
}

/// Stands for the mark in the text of a writer.
pub(super) const MARK_HERE: &str = "@tmo-export-mark@";

impl ExportedFile {
    pub(super) fn new(name: impl Into<String>, text: String) -> Self {
        Self { name: name.into(), text, is_program: false, is_private: false }
    }

    pub(super) fn program(self) -> Self {
        Self { is_program: true, ..self }
    }

    /// Put the mark, with a digest of the rest, where the writer has left room for it.
    pub(super) fn sign(&mut self, format: ExportFormat) {
        let digest = digest(&self.text.replacen(MARK_HERE, "", 1));
        let mark = format!("{MARK}{format}` ({digest}){END}");
        self.text = self.text.replacen(MARK_HERE, &mark, 1);
    }
}

impl FileOrigin {
    /// Who has written this text.
    pub fn of(text: &str) -> Self {
        let Some(at) = text.find(MARK) else { return Self::Other };
        if text[..at].matches('\n').count() >= LINES {
            return Self::Other;
        }
        let line = text[at..].lines().next().unwrap_or_default();
        let Some(end) = line.find(END).map(|found| found + END.len()) else { return Self::Edited };
        let signed = line.split_once('(').and_then(|(_, rest)| rest.split_once(')'));
        let rest = format!("{}{}", &text[..at], &text[at + end..]);
        match signed {
            Some((signed, _)) if signed == digest(&rest) => Self::Export,
            Some(_) | None => Self::Edited,
        }
    }
}

/// The first 12 digits of the SHA-256 of a text.
fn digest(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes())[..6])
}
