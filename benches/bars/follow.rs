//! Reading files that grow.

use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use memchr::memmem;

use crate::reader::{LIMIT, PATIENCE};
use crate::wait::pause;

/// Read files until this mark has come so often, or nothing comes any more; and when the last mark
/// came, if it did.
pub(crate) fn follow(
    files: &[PathBuf],
    (mark, often): (&[u8], usize),
    begun: Instant,
) -> (Vec<Vec<u8>>, Option<Duration>) {
    let mut outputs = vec![vec![]; files.len()];
    let mut open: Vec<Option<File>> = files.iter().map(|_| None).collect();
    let (mut found, mut last) = (0, begun.elapsed());
    while found < often && begun.elapsed() < (last + PATIENCE).min(LIMIT) {
        for ((path, file), output) in files.iter().zip(&mut open).zip(&mut outputs) {
            if file.is_none() {
                *file = File::open(path).ok();
            }
            let Some(file) = file else { continue };
            let old = output.len();
            if file.read_to_end(output).unwrap() > 0 {
                last = begun.elapsed();
                // The mark may have come in two parts.
                let new = &output[old.saturating_sub(mark.len() - 1)..];
                found += memmem::find_iter(new, mark).count();
            }
        }
        if found < often {
            pause(Duration::from_millis(5));
        }
    }
    (outputs, (found >= often).then_some(last))
}
