//! The built binary and bad input: one clear message that names the place and what to do, exit code 2, nothing attached.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const BINARY: &str = env!("CARGO_BIN_EXE_waypoint-verify");

/// A folder of its own with the sample policy and dump, each with its replacements.
struct Files(PathBuf);

impl Files {
    fn with(name: &str, policy: &[(&str, &str)], cluster: &[(&str, &str)]) -> Self {
        let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/testdata");
        let folder = std::env::temp_dir().join(format!("wv-bad-{}-{}", std::process::id(), name.replace(' ', "-")));
        fs::create_dir_all(&folder).unwrap();
        for (file, from, replacements) in
            [("policy.yaml", "policy.yaml", policy), ("cluster.yaml", "cluster/cluster.yaml", cluster)]
        {
            let mut text = fs::read_to_string(testdata.join(from)).unwrap();
            for (old, new) in replacements {
                assert!(text.contains(old), "{name}: nothing to replace by {new}");
                text = text.replace(old, new);
            }
            fs::write(folder.join(file), text).unwrap();
        }
        Self(folder)
    }

    fn arguments(&self, command: &str) -> Vec<String> {
        let path = |file| self.0.join(file).display().to_string();
        [command, "--policy", &path("policy.yaml"), "--inventory", &path("cluster.yaml")].map(str::to_owned).to_vec()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Standard error of a command that must have refused.
fn refused(output: &Output, what: &str) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{what}: {said}");
    assert!(output.stdout.is_empty(), "{what}: nothing was observed, so nothing is reported");
    assert!(!said.contains("panicked") && said.lines().count() < 12, "{what}: {said}");
    said
}

fn run(arguments: &[String]) -> Output {
    Command::new(BINARY).args(arguments).output().expect("the binary runs")
}

type Replacements = &'static [(&'static str, &'static str)];

/// Rows: what is wrong, in the policy, in the dump; what is said of it.
const ROWS: [(&str, Replacements, Replacements, &[&str]); 11] = [
    (
        "unknown fields",
        &[("  window: 10m", "  window: 10m\n  windows: 3\n  vias: []")],
        &[],
        &["policy.yaml", "spec.windows: unknown field (did you mean window?)", "spec.vias: unknown field"],
    ),
    ("no target", &[("[{group: \"\", kind: Service, name: hello-backend}]", "[]")], &[], &["spec.targetRefs"]),
    (
        "targets that are nowhere",
        &[("name: hello-backend}", "name: nobody}"), ("name: hello-waypoint}", "name: nowhere}")],
        &[],
        &["spec.targetRefs[0].name: there is no Service hello/nobody", "spec.waypoint.ref.name", "hello/nowhere"],
    ),
    (
        "wrong group",
        &[("kind: Gateway, name: hello-upstream", "kind: Service, name: hello-upstream")],
        &[],
        &["spec.via[0]"],
    ),
    ("bad window", &[("10m", "ten minutes")], &[], &["spec.window", "ten minutes"]),
    ("not YAML", &[("spec:", "spec: [")], &[], &["policy.yaml:", "not valid YAML"]),
    (
        "two pods with one UID",
        &[],
        &[("00000021-1111", "00000011-1111")],
        &["cluster.yaml", "cilium-envoy-1", "00000011-1111-4222-8333-444444444444"],
    ),
    (
        "a Service without pods",
        &[],
        &[("  selector: {app: hello-backend}", "  selector: {app: nobody}")],
        &["hello-backend"],
    ),
    (
        "a Gateway without listeners",
        &[],
        &[("listeners: [{name: http, port: 8082, protocol: HTTP}]", "listeners: []")],
        &["hello-upstream"],
    ),
    (
        "wrong types",
        &[],
        &[("  clusterIP: 10.96.0.83", "  clusterIP: [1]")],
        &["cluster.yaml", "hello-backend", "clusterIP"],
    ),
    (
        "problems of both files",
        &[("10m", "ten minutes")],
        &[("  clusterIP: 10.96.0.83", "  clusterIP: [1]")],
        &["policy.yaml", "spec.window", "cluster.yaml", "clusterIP"],
    ),
];

#[test]
fn bad_files_are_refused_with_the_place_and_every_problem_at_once() {
    for (name, policy, cluster, expected) in ROWS {
        let files = Files::with(name, policy, cluster);
        for command in ["run", "gate"] {
            let said = refused(&run(&files.arguments(command)), name);
            for part in expected {
                assert!(said.contains(part), "{command}, {name}: {part:?} is missing in\n{said}");
            }
        }
    }
}

#[test]
fn bad_usage_is_told_from_other_failures() {
    for arguments in [&["gate"][..], &["gate", "--policy", "x", "--timeout", "soon"], &["frobnicate"]] {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        refused(&run(&arguments), &arguments.join(" "));
    }
    let said = refused(&run(&["run", "-p", "/nowhere.yaml"].map(str::to_owned)), "a missing file");
    assert!(said.contains("/nowhere.yaml: cannot be read"), "{said}");
}

/// Whether a test that needs root goes on; under CI it must.
fn privileged() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "privileged tests need root");
        eprintln!("skipped: only root gets far enough to be refused");
    }
    root
}

#[test]
fn a_machine_that_cannot_be_observed_is_refused_with_what_is_missing() {
    if !privileged() {
        return;
    }
    let files = Files::with("machine", &[], &[]);
    let rows = [
        (&["--ring-size", "5000"][..], &["--ring-size", "5000", "power of two"][..]),
        (&["--ring-size", "0"], &["--ring-size", "power of two"]),
        (&["--cgroup-root", "/tmp"], &["/tmp", "cgroup-v2", "--cgroup-root"]),
        (&["--cgroup-root", "/nowhere"], &["/nowhere", "--cgroup-root"]),
    ];
    for (more, expected) in rows {
        for command in ["run", "gate"] {
            let mut arguments = files.arguments(command);
            arguments.extend(more.iter().map(ToString::to_string));
            let said = refused(&run(&arguments), command);
            for part in expected {
                assert!(said.contains(part), "{more:?}: {part:?} is missing in {said}");
            }
            assert!(said.matches("os error").count() < 2, "said twice: {said}");
        }
    }
}

#[test]
fn missing_rights_are_named() {
    if !privileged() {
        return;
    }
    let files = Files::with("rights", &[], &[]);
    let binary = files.0.join("waypoint-verify");
    fs::copy(BINARY, &binary).unwrap();
    let nobody = [
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "--no-new-privs",
        "--bounding-set=-all",
        "--inh-caps=-all",
    ];
    let output = Command::new("setpriv").args(nobody).arg(&binary).args(files.arguments("gate")).output();
    let said = refused(&output.expect("setpriv (util-linux)"), "as nobody");
    assert!(said.contains("CAP_BPF") && said.contains("run as root"), "{said}");
}

/// As a program from before links would attach: flags 0 is exclusive. It goes with the cgroup.
#[test]
fn a_hook_that_someone_else_holds_is_refused_and_nothing_stays_attached() {
    if !privileged() {
        return;
    }
    let files = Files::with("hook", &[], &[]);
    let root =
        waypoint_verify::probe::cgroup2_root().expect("cgroup v2").join(format!("wv-cli-{}", std::process::id()));
    fs::create_dir(&root).expect("a cgroup");
    let outcome = std::panic::catch_unwind(|| {
        legacy::attach(&root);
        let mut arguments = files.arguments("gate");
        arguments.extend(["--cgroup-root".to_owned(), root.display().to_string()]);
        let said = refused(&run(&arguments), "held");
        assert!(said.contains("cgroup_skb/egress") && said.contains("bpftool cgroup tree"), "{said}");
        assert_eq!(legacy::attached(&root), 1, "only the foreign program is left");
    });
    fs::remove_dir(&root).expect("removing the cgroup");
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

/// The smallest program that passes every packet, attached the old way.
mod legacy {
    use std::fs::File;
    use std::os::fd::AsRawFd;
    use std::path::Path;

    use nix::libc;

    const PROG_LOAD: i64 = 5;
    const PROG_ATTACH: i64 = 8;
    const PROG_QUERY: i64 = 16;
    const CGROUP_SKB: u32 = 8;
    const EGRESS: u32 = 1;

    fn bpf(command: i64, attributes: &mut [u64; 16]) -> i64 {
        // SAFETY: union bpf_attr, zeroed past what is used, of the length that is said.
        let done = unsafe { libc::syscall(libc::SYS_bpf, command, attributes.as_mut_ptr(), size_of_val(attributes)) };
        assert!(done >= 0, "bpf({command}): {}", std::io::Error::last_os_error());
        done
    }

    fn pair(low: u32, high: u32) -> u64 {
        u64::from(low) | u64::from(high) << 32
    }

    pub fn attach(cgroup: &Path) {
        // r0 = 1; exit
        let program: [u64; 2] = [0x0000_0001_0000_00b7, 0x95];
        let licence = c"GPL";
        let mut load = [0; 16];
        load[0] = pair(CGROUP_SKB, 2);
        load[1] = program.as_ptr() as u64;
        load[2] = licence.as_ptr() as u64;
        // expected_attach_type, at octet 68.
        load[8] = pair(0, EGRESS);
        let program = u32::try_from(bpf(PROG_LOAD, &mut load)).unwrap();
        let directory = File::open(cgroup).unwrap();
        let mut attach = [0; 16];
        attach[0] = pair(directory.as_raw_fd().cast_unsigned(), program);
        attach[1] = pair(EGRESS, 0);
        bpf(PROG_ATTACH, &mut attach);
    }

    /// Programs at this cgroup's own hooks: both directions, sock_create, sock_ops.
    pub fn attached(cgroup: &Path) -> u32 {
        let directory = File::open(cgroup).unwrap();
        let count = |hook: u32| {
            let mut query = [0; 16];
            query[0] = pair(directory.as_raw_fd().cast_unsigned(), hook);
            bpf(PROG_QUERY, &mut query);
            u32::try_from(query[3] & 0xffff_ffff).unwrap()
        };
        [0, EGRESS, 2, 3].into_iter().map(count).sum()
    }
}
