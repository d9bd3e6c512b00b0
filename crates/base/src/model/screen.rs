//! The screen of a terminal.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The screen of a terminal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Screen {
    /// Its lines, each with a newline.
    pub screen: String,
    /// Its width.
    pub columns: u16,
    /// Its height.
    pub rows: u16,
    /// Its cursor.
    pub cursor: ScreenCursor,
    /// Whether it is the alternate screen of a full-screen program, without the lines above it.
    pub is_alternate: bool,
}

/// The cursor of a terminal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScreenCursor {
    /// Its column, from 0.
    pub column: u16,
    /// Its row, from 0.
    pub row: u16,
    /// Whether it is visible.
    pub is_visible: bool,
}
