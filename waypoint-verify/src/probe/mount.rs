//! Where the cgroup-v2 hierarchy is: at `/sys/fs/cgroup`, or beside the older one on a hybrid host.

use std::{ffi::OsString, fs, os::unix::ffi::OsStringExt, path::PathBuf};

use super::error::ProbeError;

/// The mount point of the cgroup-v2 hierarchy, by `/proc/self/mountinfo`.
///
/// # Errors
/// If there is none, or mountinfo cannot be read.
pub fn cgroup2_root() -> Result<PathBuf, ProbeError> {
    let mountinfo = fs::read("/proc/self/mountinfo").map_err(ProbeError::Mountinfo)?;
    find(&mountinfo).ok_or(ProbeError::NoCgroup2)
}

/// The mount that shows the hierarchy from its root, else any.
fn find(mountinfo: &[u8]) -> Option<PathBuf> {
    let mounts = mountinfo.split(|byte| *byte == b'\n').filter_map(|line| {
        let mut fields = line.split(|byte| *byte == b' ');
        let root = fields.nth(3)?;
        let mount_point = fields.next()?;
        let file_system = fields.skip_while(|field| *field != b"-").nth(1)?;
        (file_system == b"cgroup2").then(|| (root == b"/", unescape(mount_point)))
    });
    mounts.max_by_key(|(whole, _)| *whole).map(|(_, path)| path)
}

/// Octal escapes, `\040` for a space.
fn unescape(field: &[u8]) -> PathBuf {
    let mut path = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, after)) = rest.split_first() {
        let octal = after.get(..3).filter(|_| byte == b'\\').and_then(|digits| {
            digits.iter().try_fold(0u8, |value, digit| {
                let digit = digit.checked_sub(b'0').filter(|digit| *digit < 8)?;
                value.checked_mul(8)?.checked_add(digit)
            })
        });
        path.push(octal.unwrap_or(byte));
        rest = if octal.is_some() { &after[3..] } else { after };
    }
    PathBuf::from(OsString::from_vec(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hierarchy_is_found_wherever_it_is_mounted() {
        let rows: [(&str, Option<&str>); 5] = [
            ("", None),
            ("31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw", None),
            (
                "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:1 - cgroup2 cgroup2 rw\n",
                Some("/sys/fs/cgroup/unified"),
            ),
            (
                "1 2 0:3 /pod /a rw - cgroup2 cgroup2 rw\n1 2 0:3 / /b rw - cgroup2 c rw\n1 2 0:3 /x /c rw - cgroup2 c rw",
                Some("/b"),
            ),
            (r"1 2 0:3 / /with\040space\x rw - cgroup2 none rw", Some(r"/with space\x")),
        ];
        for (mountinfo, expected) in rows {
            assert_eq!(find(mountinfo.as_bytes()), expected.map(PathBuf::from), "{mountinfo}");
        }
    }
}
