//! Checks and unpacks ZIP archives from untrusted sources.
//!
//! The whole archive is checked before any file is written. Only the features that archives of programs need are
//! accepted. The check and the unpacking share one reader, so they can't disagree about the content. Declared sizes
//! may be wrong, so bytes are counted again while they are unpacked.

mod tree;

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use flate2::Crc;
use flate2::read::DeflateDecoder;

pub use self::tree::MAC_METADATA;
use crate::model::text::untrusted::shown_line;
use crate::sys::files::new_tree::NewTree;
use crate::sys::why;

pub const LARGEST_ARCHIVE: u64 = 50 << 20;
const MOST_ENTRIES: u16 = 10_000;
/// The most bytes of all files.
const LARGEST_TOTAL: u64 = 500 << 20;
const LARGEST_FILE: u64 = 200 << 20;

/// Sizes of the headers without their variable parts.
const END_SIZE: u64 = 22;
const CENTRAL_SIZE: usize = 46;
const LOCAL_SIZE: usize = 30;
/// Accepted flags of an entry: deflate options, sizes after the data, names in UTF-8.
const KNOWN_FLAGS: u16 = 0b110 | SIZES_BEHIND | (1 << 11);
const SIZES_BEHIND: u16 = 1 << 3;
/// Flags of encryption: of the data, strong, of the directory.
const ENCRYPTED: u16 = 1 | (1 << 6) | (1 << 13);
/// Bits of a Unix mode.
const KIND: u32 = 0o170_000;
const KIND_DIR: u32 = 0o040_000;
const KIND_FILE: u32 = 0o100_000;
const KIND_LINK: u32 = 0o120_000;

/// Why an archive is refused.
#[derive(Debug, thiserror::Error)]
pub enum ZipError {
    /// It could not be read.
    #[error("the archive can't be read: {}", why(.0))]
    Read(io::Error),
    /// It is larger than [`LARGEST_ARCHIVE`].
    #[error("the archive is larger than {} MiB", LARGEST_ARCHIVE >> 20)]
    LargeArchive,
    /// It is not a ZIP archive.
    #[error("the file is not a ZIP archive; `zip -r app.zip FILES` makes one")]
    NotZip,
    /// It is damaged, or uses features of the format that no app needs.
    #[error("the ZIP archive is not valid: {0}")]
    Malformed(&'static str),
    /// It has too many entries.
    #[error("the archive has {0} entries; {MOST_ENTRIES} are allowed")]
    Many(u16),
    /// It contains no files.
    #[error("the archive contains no file")]
    Empty,
    /// The total size of its files is too large.
    #[error("the files of the archive are larger than {} MiB together", LARGEST_TOTAL >> 20)]
    LargeTotal,
    /// One of its entries is refused.
    #[error("the entry `{name}` of the archive {why}")]
    Entry {
        /// Its name, safe to print.
        name: String,
        /// The cause.
        why: EntryError,
    },
    /// An entry could not be written.
    #[error("can't write `{name}` of the archive: {}", why(source))]
    Write {
        /// The name of the entry, safe to print.
        name: String,
        /// The cause.
        source: io::Error,
    },
}

/// Why an entry is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// The name is not valid UTF-8.
    #[error("has a name that is not valid UTF-8")]
    NotUtf8,
    /// The name has control characters.
    #[error("has control characters in its name")]
    Control,
    /// The name has characters that change the order in which it is shown.
    #[error("has characters in its name that change the order in which it is shown")]
    Bidi,
    /// The name has a backslash.
    #[error("has a backslash in its name")]
    Backslash,
    /// The path is absolute.
    #[error("has an absolute path")]
    Absolute,
    /// The path begins with a drive letter.
    #[error("has a path with a drive letter")]
    Drive,
    /// The path has a part that is `..`, `.` or empty.
    #[error("has a path with a part that is `..`, `.` or empty")]
    Parts,
    /// A part of the path is too long.
    #[error("has a name of more than {} bytes", tree::LONGEST_NAME)]
    LongName,
    /// The path has too many parts.
    #[error("is more than {} directories deep", tree::DEEPEST)]
    Deep,
    #[error("is a link")]
    Link,
    /// It is neither file nor directory.
    #[error("is neither a file nor a directory")]
    Special,
    /// Its mode has setuid or setgid.
    #[error("is setuid or setgid")]
    Setuid,
    #[error("is encrypted")]
    Encrypted,
    /// It is compressed by another method, or uses other features of the format.
    #[error("needs features that tmo does not support; only `stored` and `deflate` are")]
    Unsupported,
    /// Another entry has the same path, apart from upper and lower case.
    #[error("occurs twice, perhaps in another case, or as a file and a directory")]
    Twice,
    /// Its data overlaps another entry.
    #[error("shares data with another entry or with the directory of the archive")]
    Overlap,
    /// Its local header and the directory of the archive differ.
    #[error("differs between the directory of the archive and its local header")]
    Differs,
    /// It is too large.
    #[error("is larger than {} MiB", LARGEST_FILE >> 20)]
    Large,
    /// The size or the checksum of its data is not the declared one.
    #[error("has another size or checksum than it declares, or is damaged")]
    Damaged,
}

/// An entry of the directory of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ArchiveEntry {
    name: String,
    /// The parts of its path; after flattening, below the new directory.
    path: Vec<String>,
    is_dir: bool,
    is_executable: bool,
    is_deflated: bool,
    flags: u16,
    crc: u32,
    compressed: u64,
    size: u64,
    /// The offset of its local header.
    header: u64,
    /// The offset of its data.
    data: u64,
}

/// An archive that was checked and accepted.
#[derive(Debug)]
pub struct Archive {
    entries: Vec<ArchiveEntry>,
}

/// The directory of an archive, which is at its end.
struct Directory {
    bytes: Vec<u8>,
    /// The number of its entries.
    count: u16,
    /// Its offset.
    start: u64,
}

/// Little-endian numbers of a header.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn u16(&self, at: usize) -> u16 {
        self.0.get(at..at + 2).map_or(0, |two| u16::from_le_bytes([two[0], two[1]]))
    }

    fn u32(&self, at: usize) -> u32 {
        u32::from(self.u16(at)) | u32::from(self.u16(at + 2)) << 16
    }
}

fn failed(name: &str, why: EntryError) -> ZipError {
    ZipError::Entry { name: name_shown(name), why }
}

/// A name in the form for messages.
fn name_shown(name: &str) -> String {
    crate::model::text::cut(&shown_line(name), 80).into_owned()
}

/// Whether this is a valid path of a file in an archive.
pub(super) fn is_path(path: &str) -> bool {
    !path.ends_with('/') && tree::parts(path).is_ok()
}

impl Archive {
    /// Read the directory of an archive, and check it.
    pub fn parse<R: Read + Seek>(source: &mut R) -> Result<Self, ZipError> {
        let directory = directory(source)?;
        let mut entries = entries(&directory)?;
        for entry in &mut entries {
            check_local(source, entry)?;
        }
        check_overlaps(&entries, directory.start)?;
        let entries = tree::flattened(entries)?;
        if entries.iter().map(|entry| entry.size).sum::<u64>() > LARGEST_TOTAL {
            return Err(ZipError::LargeTotal);
        }
        Ok(Self { entries })
    }

    /// The paths of its files in the unpacked directory.
    pub fn files(&self) -> impl Iterator<Item = String> {
        self.entries.iter().filter(|entry| !entry.is_dir).map(|entry| entry.path.join("/"))
    }

    /// Unpack it into a new directory, which is removed after an error.
    pub fn unpack<R: Read + Seek>(&self, source: &mut R, into: &Path) -> Result<(), ZipError> {
        let tree = NewTree::create(into).map_err(|source| {
            let name = name_shown(&into.file_name().unwrap_or_default().to_string_lossy());
            ZipError::Write { name, source }
        })?;
        self.write_all(source, &tree).inspect_err(|_| {
            // The first error is the one to report.
            let _ = std::fs::remove_dir_all(into);
        })
    }

    fn write_all<R: Read + Seek>(&self, source: &mut R, tree: &NewTree) -> Result<(), ZipError> {
        let mut total = 0;
        for entry in &self.entries {
            let write = |source| ZipError::Write { name: name_shown(&entry.name), source };
            if entry.is_dir {
                tree.make_dir(&entry.path).map_err(write)?;
                continue;
            }
            let file = tree.create_file(&entry.path, entry.is_executable).map_err(write)?;
            total += copy(source, entry, file)?;
            if total > LARGEST_TOTAL {
                return Err(ZipError::LargeTotal);
            }
        }
        Ok(())
    }
}

/// Unpack one file; returns its size.
fn copy<R: Read + Seek>(
    source: &mut R,
    entry: &ArchiveEntry,
    mut to: impl Write,
) -> Result<u64, ZipError> {
    source.seek(SeekFrom::Start(entry.data)).map_err(ZipError::Read)?;
    let packed = source.take(entry.compressed);
    let mut data: Box<dyn Read + '_> =
        if entry.is_deflated { Box::new(DeflateDecoder::new(packed)) } else { Box::new(packed) };
    let (mut crc, mut size, mut buffer) = (Crc::new(), 0, vec![0; 64 << 10]);
    loop {
        // Reading fails if the compressed data is damaged.
        let read = match data.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return Err(failed(&entry.name, EntryError::Damaged)),
        };
        size += read as u64;
        // The check has limited the declared size.
        if size > entry.size {
            return Err(failed(&entry.name, EntryError::Damaged));
        }
        crc.update(&buffer[..read]);
        to.write_all(&buffer[..read])
            .map_err(|source| ZipError::Write { name: name_shown(&entry.name), source })?;
    }
    if size != entry.size || crc.sum() != entry.crc {
        return Err(failed(&entry.name, EntryError::Damaged));
    }
    Ok(size)
}

/// Find the directory of an archive.
fn directory<R: Read + Seek>(source: &mut R) -> Result<Directory, ZipError> {
    let length = source.seek(SeekFrom::End(0)).map_err(ZipError::Read)?;
    if length > LARGEST_ARCHIVE {
        return Err(ZipError::LargeArchive);
    }
    let start = length.saturating_sub(END_SIZE + u64::from(u16::MAX));
    let tail = read_at(source, start, length - start)?;
    let found = tail.windows(4).rposition(|bytes| bytes == b"PK\x05\x06");
    let end = found.ok_or(ZipError::NotZip)?;
    let fields = Fields(&tail[end..]);
    let comment = u64::from(fields.u16(20));
    if (tail.len() - end) as u64 != END_SIZE + comment {
        return Err(ZipError::Malformed("it has data after its end"));
    }
    let (on_disk, count) = (fields.u16(8), fields.u16(10));
    if fields.u32(4) != 0 || on_disk != count {
        return Err(ZipError::Malformed("it is a part of a multi-part archive"));
    }
    let (size, at) = (u64::from(fields.u32(12)), u64::from(fields.u32(16)));
    if at == u64::from(u32::MAX) || count == u16::MAX {
        return Err(ZipError::Malformed("it uses ZIP64, which archives of this size do not need"));
    }
    if at + size != start + end as u64 {
        return Err(ZipError::Malformed("the position of its directory is wrong"));
    }
    if count > MOST_ENTRIES {
        return Err(ZipError::Many(count));
    }
    Ok(Directory { bytes: read_at(source, at, size)?, count, start: at })
}

fn read_at<R: Read + Seek>(source: &mut R, at: u64, size: u64) -> Result<Vec<u8>, ZipError> {
    let mut bytes = vec![];
    source.seek(SeekFrom::Start(at)).map_err(ZipError::Read)?;
    source.take(size).read_to_end(&mut bytes).map_err(ZipError::Read)?;
    if bytes.len() as u64 == size { Ok(bytes) } else { Err(ZipError::Malformed("it is truncated")) }
}

fn entries(directory: &Directory) -> Result<Vec<ArchiveEntry>, ZipError> {
    const SHORT: ZipError = ZipError::Malformed("its directory is damaged");
    let mut rest = &*directory.bytes;
    let mut entries = vec![];
    for _ in 0..directory.count {
        let (header, after) = rest.split_at_checked(CENTRAL_SIZE).ok_or(SHORT)?;
        let fields = Fields(header);
        if !header.starts_with(b"PK\x01\x02") {
            return Err(SHORT);
        }
        let (name, after) = after.split_at_checked(fields.u16(28).into()).ok_or(SHORT)?;
        let more = usize::from(fields.u16(30)) + usize::from(fields.u16(32));
        rest = after.split_at_checked(more).ok_or(SHORT)?.1;
        entries.push(entry(&fields, name)?);
    }
    if rest.is_empty() { Ok(entries) } else { Err(SHORT) }
}

/// The entry of a header of the directory.
fn entry(fields: &Fields<'_>, name: &[u8]) -> Result<ArchiveEntry, ZipError> {
    let name = str::from_utf8(name)
        .map_err(|_| failed(&String::from_utf8_lossy(name), EntryError::NotUtf8))?;
    let refuse = |why| Err(failed(name, why));
    let (flags, method) = (fields.u16(8), fields.u16(10));
    let mode = fields.u32(38) >> 16;
    let is_dir = name.ends_with('/');
    if flags & ENCRYPTED != 0 {
        return refuse(EntryError::Encrypted);
    }
    let sizes = [fields.u32(20), fields.u32(24), fields.u32(42)];
    if flags & !KNOWN_FLAGS != 0 || ![0, 8].contains(&method) || sizes.contains(&u32::MAX) {
        return refuse(EntryError::Unsupported);
    }
    match mode & KIND {
        0 => {}
        KIND_FILE if !is_dir => {}
        KIND_DIR if is_dir => {}
        KIND_LINK => return refuse(EntryError::Link),
        _ => return refuse(EntryError::Special),
    }
    // Shared directories are often setgid. That does not matter, as modes are not applied.
    if mode & 0o6000 != 0 && !is_dir {
        return refuse(EntryError::Setuid);
    }
    let [compressed, size, header] = sizes.map(u64::from);
    if size > LARGEST_FILE {
        return refuse(EntryError::Large);
    }
    if is_dir && size != 0 || method == 0 && size != compressed {
        return refuse(EntryError::Damaged);
    }
    Ok(ArchiveEntry {
        path: tree::parts(name).map_err(|why| failed(name, why))?,
        name: name.to_owned(),
        is_dir,
        is_executable: mode & 0o111 != 0,
        is_deflated: method == 8,
        flags,
        crc: fields.u32(16),
        compressed,
        size,
        header,
        data: 0,
    })
}

/// Compare the local header of an entry with the directory, and find its data.
fn check_local<R: Read + Seek>(source: &mut R, entry: &mut ArchiveEntry) -> Result<(), ZipError> {
    let differs = |_| failed(&entry.name, EntryError::Differs);
    let header = read_at(source, entry.header, LOCAL_SIZE as u64).map_err(differs)?;
    let fields = Fields(&header);
    let (name, extra) = (u64::from(fields.u16(26)), u64::from(fields.u16(28)));
    let known = read_at(source, entry.header + LOCAL_SIZE as u64, name).map_err(differs)?;
    let method = if entry.is_deflated { 8 } else { 0 };
    let declared = [14, 18, 22].map(|at| u64::from(fields.u32(at)));
    let sizes = [u64::from(entry.crc), entry.compressed, entry.size];
    let are_behind = entry.flags & SIZES_BEHIND != 0 && declared == [0; 3];
    let agrees = header.starts_with(b"PK\x03\x04")
        && (fields.u16(6), fields.u16(8)) == (entry.flags, method)
        && (declared == sizes || are_behind)
        && known == entry.name.as_bytes();
    if !agrees {
        return Err(failed(&entry.name, EntryError::Differs));
    }
    entry.data = entry.header + LOCAL_SIZE as u64 + name + extra;
    Ok(())
}

/// Refuse entries that share bytes: a small archive could otherwise unpack to a huge size.
fn check_overlaps(entries: &[ArchiveEntry], directory: u64) -> Result<(), ZipError> {
    let mut sorted: Vec<&ArchiveEntry> = entries.iter().collect();
    sorted.sort_by_key(|entry| entry.header);
    let starts = sorted.iter().skip(1).map(|next| next.header).chain([directory]);
    for (entry, next) in sorted.iter().zip(starts) {
        if entry.data + entry.compressed > next {
            return Err(failed(&entry.name, EntryError::Overlap));
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "../../../../tests/common/archive.rs"]
pub(crate) mod archive;
#[cfg(test)]
mod tests;
