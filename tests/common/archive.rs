//! ZIP archives for tests, including invalid ones.

use std::io::Write as _;

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

/// A file or directory of an archive, with all fields of its headers.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    /// The name in the directory.
    pub(crate) name: Vec<u8>,
    /// The name in the local header.
    pub(crate) local_name: Vec<u8>,
    /// The content.
    pub(crate) data: Vec<u8>,
    /// The declared size.
    pub(crate) size: u32,
    /// The Unix mode.
    pub(crate) mode: u32,
    /// The flags.
    pub(crate) flags: u16,
    /// 0: stored, 8: deflate.
    pub(crate) method: u16,
    /// Use the data of the first member.
    pub(crate) is_shared: bool,
}

impl Member {
    /// A file with this content; a directory if the name ends with `/`.
    pub(crate) fn new(name: &str, data: impl Into<Vec<u8>>) -> Self {
        let data = data.into();
        Self {
            name: name.into(),
            local_name: name.into(),
            size: data.len().try_into().unwrap(),
            data,
            mode: 0,
            flags: 0,
            method: 0,
            is_shared: false,
        }
    }

    pub(crate) fn with_mode(self, mode: u32) -> Self {
        Self { mode, ..self }
    }

    pub(crate) fn deflated(self) -> Self {
        Self { method: 8, ..self }
    }

    /// Method, flags, checksum and sizes, which both headers have.
    fn described(&self, packed: &[u8]) -> [Vec<u8>; 2] {
        let mut crc = Crc::new();
        crc.update(&self.data);
        let start = [self.flags.to_le_bytes(), self.method.to_le_bytes(), [0; 2], [0; 2]].concat();
        let packed = u32::try_from(packed.len()).unwrap();
        let sizes = [crc.sum(), packed, self.size].map(u32::to_le_bytes).concat();
        [start, sizes]
    }

    fn packed(&self) -> Vec<u8> {
        if self.method != 8 {
            return self.data.clone();
        }
        let mut encoder = DeflateEncoder::new(vec![], Compression::fast());
        encoder.write_all(&self.data).unwrap();
        encoder.finish().unwrap()
    }
}

/// An archive with these members.
pub(crate) fn archive(members: &[Member]) -> Vec<u8> {
    let (mut bytes, mut directory) = (vec![], vec![]);
    for member in members {
        let packed = member.packed();
        let [start, sizes] = member.described(&packed);
        let at = if member.is_shared { 0 } else { u32::try_from(bytes.len()).unwrap() };
        let length = |name: &[u8]| u16::try_from(name.len()).unwrap().to_le_bytes();
        if !member.is_shared {
            bytes.extend(b"PK\x03\x04\x14\0");
            bytes.extend([&*start, &*sizes, &length(&member.local_name), &[0; 2]].concat());
            bytes.extend([&*member.local_name, &*packed].concat());
        }
        directory.extend(b"PK\x01\x02\x14\x03\x14\0");
        directory.extend([&*start, &*sizes, &length(&member.name), &[0; 8]].concat());
        directory.extend([(member.mode << 16).to_le_bytes(), at.to_le_bytes()].concat());
        directory.extend(&member.name);
    }
    let count = u16::try_from(members.len()).unwrap().to_le_bytes();
    let ends =
        [directory.len(), bytes.len()].map(|size| u32::try_from(size).unwrap().to_le_bytes());
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend([&count[..], &count, &ends[0], &ends[1], &[0; 2]].concat());
    bytes
}
