//! The conversation between the holder of a terminal and who looks at it or types into it, over a socket of its own.
//!
//! Each frame is its kind (one byte), the length of its content (32 bits, little-endian), and the content. The first
//! frame from a client is [`FromClient::Hello`].

use std::ffi::OsString;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::model::terminal::emulator::Screen;

/// The version of this protocol.
pub const VERSION: u32 = 1;
/// The longest content of a frame.
pub const LONGEST_FRAME: usize = 64 << 10;
/// The longest greeting.
pub const LONGEST_HELLO: usize = 1 << 10;

/// Columns and rows.
pub type Size = (u16, u16);
/// The most columns and rows of a terminal.
const MOST_CELLS: Size = (1000, 500);

/// A size for which a screen fits into memory.
pub fn limited((columns, rows): Size) -> Size {
    let (most_columns, most_rows) = MOST_CELLS;
    (columns.clamp(1, most_columns), rows.clamp(1, most_rows))
}

/// The arguments of a shim that opens its own terminal. Without, it has been started by tmux in one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opener {
    /// The size of the terminal.
    pub size: Size,
    /// The process id of the supervisor that started it.
    pub supervisor: u32,
}

impl Opener {
    /// Of the arguments `80x24 1234`.
    pub fn parse(arguments: &[OsString]) -> Option<Self> {
        let [size, supervisor] = arguments else { return None };
        let (columns, rows) = size.to_str()?.split_once('x')?;
        let size = (columns.parse().ok()?, rows.parse().ok()?);
        Some(Self { size, supervisor: supervisor.to_str()?.parse().ok()? })
    }

    pub fn arguments(&self) -> [String; 2] {
        let Self { size: (columns, rows), supervisor } = self;
        [format!("{columns}x{rows}"), supervisor.to_string()]
    }
}

/// What a client introduces itself with.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Hello {
    /// [`VERSION`].
    pub version: u32,
    /// The size of its terminal; `None` if the terminal of the process is to keep its own size.
    pub size: Option<Size>,
    /// It wants to see what is shown, beginning with the whole screen.
    pub watches: bool,
    /// It promises to type nothing. This protects from mistakes only.
    pub read_only: bool,
    /// It understands [`FromHolder::Taken`] and [`FromHolder::Discarded`], which came with 0.3.
    #[serde(default)]
    pub follows_input: bool,
}

/// How a screen is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WantedScreen {
    pub color: bool,
    /// With the blanks at the ends of lines, and wrapped lines joined.
    pub blanks: bool,
}

/// A frame from a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromClient {
    /// Who it is. Must come first.
    Hello(Hello),
    /// Bytes that were typed. After a frame of the length [`LONGEST_FRAME`], more of the same write follows.
    Input(Vec<u8>),
    /// Its terminal has this size now.
    Resize(Size),
    /// It wants the screen as text.
    Screen(WantedScreen),
    /// It wants to know when everything that it has typed is in the terminal.
    Typed,
    /// The size of the terminal while no client has a size.
    OwnSize(Size),
    /// It wants to be shown the whole screen again.
    Redraw,
}

/// How many clients may look at a terminal.
pub const MOST_WATCHING: usize = 16;

/// A frame from a holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromHolder {
    /// Bytes that make a terminal show the same, whatever it shows now: the whole screen at once.
    Redraw(Vec<u8>),
    /// What the process has printed since.
    Output(Vec<u8>),
    /// The terminal has this size now.
    Size(Size),
    /// The screen as text.
    Screen(Box<Screen>),
    /// Everything that was typed is in the terminal.
    Typed,
    /// [`MOST_WATCHING`] clients look at the terminal already; the holder closes this connection.
    Full,
    /// So many bytes of this client are in the terminal by now.
    Taken(u64),
    /// The process has ended: what was typed for it and has not reached it is discarded.
    Discarded,
}

/// A frame that can't be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a frame of the terminal's socket is malformed")]
pub struct Malformed;

fn json(content: &impl Serialize) -> Vec<u8> {
    // Plain data can always be serialized.
    serde_json::to_vec(content).unwrap_or_default()
}

fn parse_json<T: DeserializeOwned>(content: &[u8]) -> Result<T, Malformed> {
    serde_json::from_slice(content).map_err(|_| Malformed)
}

fn frame(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
    [&[kind], &length.to_le_bytes()[..], content].concat()
}

impl FromClient {
    /// The bytes of this frame. Input longer than [`LONGEST_FRAME`] must be divided.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Hello(hello) => frame(0, &json(hello)),
            Self::Input(bytes) => frame(1, bytes),
            Self::Resize(size) => frame(2, &json(size)),
            Self::Screen(wanted) => frame(3, &json(wanted)),
            Self::Typed => frame(4, &[]),
            Self::OwnSize(size) => frame(5, &json(size)),
            Self::Redraw => frame(6, &[]),
        }
    }

    fn decode(kind: u8, content: &[u8]) -> Result<Self, Malformed> {
        Ok(match kind {
            0 if content.len() <= LONGEST_HELLO => Self::Hello(parse_json(content)?),
            1 => Self::Input(content.to_vec()),
            2 => Self::Resize(parse_json(content)?),
            3 => Self::Screen(parse_json(content)?),
            4 => Self::Typed,
            5 => Self::OwnSize(parse_json(content)?),
            6 => Self::Redraw,
            _ => return Err(Malformed),
        })
    }
}

impl FromHolder {
    /// The bytes of this frame. Output longer than [`LONGEST_FRAME`] must be divided.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Redraw(bytes) => frame(0, bytes),
            Self::Output(bytes) => frame(1, bytes),
            Self::Size(size) => frame(2, &json(size)),
            Self::Screen(screen) => frame(3, &json(screen)),
            Self::Typed => frame(4, &[]),
            Self::Full => frame(5, &[]),
            Self::Taken(count) => frame(6, &json(count)),
            Self::Discarded => frame(7, &[]),
        }
    }

    fn decode(kind: u8, content: &[u8]) -> Result<Self, Malformed> {
        Ok(match kind {
            0 => Self::Redraw(content.to_vec()),
            1 => Self::Output(content.to_vec()),
            2 => Self::Size(parse_json(content)?),
            3 => Self::Screen(parse_json(content)?),
            4 => Self::Typed,
            5 => Self::Full,
            6 => Self::Taken(parse_json(content)?),
            7 => Self::Discarded,
            _ => return Err(Malformed),
        })
    }
}

/// Puts frames together from what arrives.
#[derive(Debug, Default)]
pub struct Frames {
    bytes: Vec<u8>,
}

impl Frames {
    /// The length of kind and length.
    const HEAD: usize = 5;

    /// Add what has arrived.
    pub fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole frame of a client.
    pub fn of_client(&mut self) -> Result<Option<FromClient>, Malformed> {
        self.next(LONGEST_FRAME, FromClient::decode)
    }

    /// The next whole frame of a holder. A screen is longer than other frames.
    pub fn of_holder(&mut self) -> Result<Option<FromHolder>, Malformed> {
        const LONGEST_SCREEN: usize = 32 << 20;
        self.next(LONGEST_SCREEN, FromHolder::decode)
    }

    fn next<T>(
        &mut self,
        longest: usize,
        decode: impl Fn(u8, &[u8]) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Malformed> {
        let Some((&[kind, a, b, c, d], rest)) = self.bytes.split_first_chunk::<{ Self::HEAD }>()
        else {
            return Ok(None);
        };
        let length = usize::try_from(u32::from_le_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        if length > longest {
            return Err(Malformed);
        }
        let Some(content) = rest.get(..length) else { return Ok(None) };
        let decoded = decode(kind, content)?;
        self.bytes.drain(..Self::HEAD + length);
        Ok(Some(decoded))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        Frames, FromClient, FromHolder, Hello, LONGEST_FRAME, Opener, VERSION, WantedScreen,
    };

    fn from_client() -> impl Strategy<Value = FromClient> {
        let size = || any::<(u16, u16)>();
        let hello = (prop::option::of(size()), any::<[bool; 3]>());
        prop_oneof![
            hello.prop_map(|(size, [watches, read_only, follows_input])| {
                let version = VERSION;
                FromClient::Hello(Hello { version, size, watches, read_only, follows_input })
            }),
            any::<Vec<u8>>().prop_map(FromClient::Input),
            size().prop_map(FromClient::Resize),
            size().prop_map(FromClient::OwnSize),
            any::<(bool, bool)>()
                .prop_map(|(color, blanks)| FromClient::Screen(WantedScreen { color, blanks })),
            Just(FromClient::Typed),
            Just(FromClient::Redraw),
        ]
    }

    #[test]
    fn the_arguments_of_a_shim_are_read_as_they_were_written() {
        let opener = Opener { size: (132, 43), supervisor: 4711 };
        let words = |words: &[&str]| words.iter().map(Into::into).collect::<Vec<_>>();
        let [size, supervisor] = opener.arguments();
        assert_eq!(Opener::parse(&words(&[&size, &supervisor])), Some(opener));
        for wrong in [
            &[][..],
            &["80x24"],
            &["80", "1"],
            &["80x", "1"],
            &["80x24", "x"],
            &["80x24", "1", "2"],
        ] {
            assert_eq!(Opener::parse(&words(wrong)), None, "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn frames_come_back_however_they_are_divided(
            sent in prop::collection::vec(from_client(), 0..8),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let bytes: Vec<u8> = sent.iter().flat_map(FromClient::encode).collect();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.push(bytes.len());
            cuts.sort_unstable();
            let (mut frames, mut got, mut from) = (Frames::default(), vec![], 0);
            for to in cuts {
                frames.add(&bytes[from..to]);
                from = to;
                while let Some(frame) = frames.of_client().unwrap() {
                    got.push(frame);
                }
            }
            prop_assert_eq!(got, sent);
        }

        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            let mut frames = Frames::default();
            frames.add(&bytes);
            while let Ok(Some(_)) = frames.of_holder() {}
        }
    }

    #[test]
    fn a_frame_that_would_be_too_long_is_refused_at_once() {
        let mut frames = Frames::default();
        frames.add(&[1]);
        frames.add(&u32::try_from(LONGEST_FRAME + 1).unwrap().to_le_bytes());
        frames.of_client().unwrap_err();
        let mut frames = Frames::default();
        for frame in
            [FromHolder::Output(b"x".to_vec()), FromHolder::Taken(u64::MAX), FromHolder::Discarded]
        {
            frames.add(&frame.encode());
            assert_eq!(frames.of_holder(), Ok(Some(frame)));
        }
    }

    #[test]
    fn a_greeting_of_an_earlier_version_is_understood() {
        let content = br#"{"version":1,"size":[80,24],"watches":true,"read_only":false}"#;
        let mut frames = Frames::default();
        frames.add(&super::frame(0, content));
        let size = Some((80, 24));
        let hello =
            Hello { version: 1, size, watches: true, read_only: false, follows_input: false };
        assert_eq!(frames.of_client(), Ok(Some(FromClient::Hello(hello))));
    }
}
