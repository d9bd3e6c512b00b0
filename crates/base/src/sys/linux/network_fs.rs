//! Which file systems other machines share.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{FsWord, statfs};

use super::super::files::read_kernel;

// The magic numbers of statfs(2): NFS, SMB, CIFS, SMB 2, Coda, AFS (both), 9P, Ceph, Lustre, GFS2, OCFS2, GPFS, BeeGFS,
// PanFS, OrangeFS, and the folders that VirtualBox, Parallels and VMware share.
const NETWORK: [FsWord; 19] = [
    0x6969,
    0x517b,
    0xff53_4d42,
    0xfe53_4d42,
    0x7375_7245,
    0x5346_414f,
    0x6b41_4653,
    0x0102_1997,
    0x00c3_6400,
    0x0bd0_0bd0,
    0x0116_1970,
    0x7461_636f,
    0x4750_4653,
    0x1983_0326,
    0xaad7_aaea,
    0x2003_0528,
    0x786f_4256,
    0x7c7c_6673,
    0xbacb_acbc,
];
/// FUSE is many file systems, most of them local.
const FUSE: FsWord = 0x6573_5546;
const FUSE_NETWORK: [&str; 14] = [
    "fuse.sshfs",
    "fuse.glusterfs",
    "fuse.ceph",
    "fuse.ceph-fuse",
    "fuse.rclone",
    "fuse.s3fs",
    "fuse.gcsfuse",
    "fuse.goofys",
    "fuse.juicefs",
    "fuse.mfs",
    "fuse.lizardfs",
    "fuse.seaweedfs",
    "fuse.davfs",
    "virtiofs",
];

/// Whether an existing directory is on a network file system.
pub fn is_on_network(dir: &Path) -> bool {
    match statfs(dir) {
        Ok(found) if found.f_type == FUSE => fuse_type(dir)
            .is_some_and(|kind| FUSE_NETWORK.iter().any(|network| kind == network.as_bytes())),
        Ok(found) => NETWORK.contains(&found.f_type),
        Err(_) => false,
    }
}

/// The type of the file system, as `/proc/self/mountinfo` has it.
fn fuse_type(dir: &Path) -> Option<Vec<u8>> {
    let device = dir.metadata().ok()?.dev();
    let number = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    let mounts = read_kernel("/proc/self/mountinfo").ok()?;
    let mut lines = mounts.split(|byte| *byte == b'\n');
    lines.find_map(|line| {
        let mut words = line.split(|byte| *byte == b' ');
        (words.nth(2)? == number.as_bytes()).then_some(())?;
        let mut rest = words.skip_while(|word| *word != b"-");
        rest.nth(1).map(<[u8]>::to_vec)
    })
}
