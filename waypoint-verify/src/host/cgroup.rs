//! Pod and container from the path of a cgroup, in every layout of the kubelet and its runtimes (facts.md A8).

/// The pod that a cgroup belongs to; its container where the path goes that deep.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PodCgroup {
    pub pod_uid: String,
    /// Runtime id, as in `containerID` without its scheme.
    pub container_id: Option<String>,
}

const RUNTIMES: [&str; 4] = ["cri-containerd-", "crio-", "docker-", "libpod-"];

/// The outermost pod of the path: what lies below a container is at the mercy of whoever runs in it.
pub fn parse_cgroup_path(path: &str) -> Option<PodCgroup> {
    let mut below_kubepods = false;
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    while let Some(part) = parts.next() {
        let uid = match part.strip_suffix(".slice") {
            Some(slice) => slice_uid(slice),
            None if below_kubepods => part.strip_prefix("pod").and_then(uid),
            None => None,
        };
        if let Some(pod_uid) = uid {
            return Some(PodCgroup { pod_uid, container_id: parts.next().and_then(container) });
        }
        below_kubepods |= part == "kubepods";
    }
    None
}

/// `[kubelet-]kubepods[-qos]-pod<UID>`, dashes of the UID written as underscores.
fn slice_uid(slice: &str) -> Option<String> {
    let (before, encoded) = slice.rsplit_once("-pod")?;
    let kubepods = before.split('-').any(|part| part == "kubepods");
    if kubepods { uid(&encoded.replace('_', "-")) } else { None }
}

/// A UUID, or the 32 hexadecimal digits of a static pod's configuration.
fn uid(text: &str) -> Option<String> {
    let uuid = text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    let digest = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (uuid || digest).then(|| text.to_owned())
}

fn container(part: &str) -> Option<String> {
    let part = part.strip_suffix(".scope").unwrap_or(part);
    let id = RUNTIMES.iter().find_map(|runtime| part.strip_prefix(runtime)).unwrap_or(part);
    // `crio-conmon-<id>` is the runtime's own process.
    (id.len() >= 12 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| id.to_owned())
}
