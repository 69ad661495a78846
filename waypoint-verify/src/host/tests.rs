use std::collections::BTreeSet;
use std::fs;

use proptest::prelude::*;

use super::process::Image;
use super::*;
use crate::model::{NamespacedName, PodRef};

const UID: &str = "0b5ef7cb-9f2c-4a3e-8d1a-6c7a3f1e2d4b";
const CID: &str = "4f2a9c0d1e3b5a7988776655443322110ffeeddccbbaa99887766554433221100";

fn id() -> String {
    CID[..64].to_owned()
}

#[test]
fn every_layout_of_the_kubelet_is_understood() {
    let under = UID.replace('-', "_");
    let cid = id();
    let static_pod = "0123456789abcdef0123456789abcdef";
    let rows: Vec<(String, Option<(&str, bool)>)> = vec![
        (format!("/kubepods/burstable/pod{UID}/{cid}"), Some((UID, true))),
        (format!("/kubepods/besteffort/pod{UID}/{cid}"), Some((UID, true))),
        (format!("/kubepods/pod{UID}/{cid}"), Some((UID, true))),
        (format!("/kubelet/kubepods/burstable/pod{UID}/{cid}"), Some((UID, true))),
        (format!("/wv-lab-x/node-1/kubelet/kubepods/pod{UID}/{cid}"), Some((UID, true))),
        (
            format!(
                "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{under}.slice/cri-containerd-{cid}.scope"
            ),
            Some((UID, true)),
        ),
        (format!("/kubepods.slice/kubepods-pod{under}.slice/crio-{cid}.scope"), Some((UID, true))),
        (format!("/kubepods.slice/kubepods-pod{under}.slice/docker-{cid}.scope/init"), Some((UID, true))),
        (
            format!(
                "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod{under}.slice/cri-containerd-{cid}.scope"
            ),
            Some((UID, true)),
        ),
        (
            format!(
                "/system.slice/docker-{cid}.scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{under}.slice/cri-containerd-{cid}.scope"
            ),
            Some((UID, true)),
        ),
        (format!("/kubepods/pod{UID}/{cid}/system.slice/foo.service"), Some((UID, true))),
        (format!("/kubepods/pod{static_pod}/{cid}"), Some((static_pod, true))),
        (format!("/kubepods/pod{UID}/crio-{cid}"), Some((UID, true))),
        (format!("/kubepods/pod{UID}"), Some((UID, false))),
        (format!("/kubepods.slice/kubepods-pod{under}.slice"), Some((UID, false))),
        (format!("/kubepods.slice/kubepods-pod{under}.slice/crio-conmon-{cid}.scope"), Some((UID, false))),
        (format!("/pod{UID}/{cid}"), None),
        (format!("/user.slice/user-pod{under}.slice/{cid}"), None),
        (format!("/system.slice/docker-{cid}.scope"), None),
        ("/kubepods/podcast/x".into(), None),
        ("/system.slice/kubelet.service".into(), None),
        ("/".into(), None),
        (String::new(), None),
    ];
    for (path, expected) in rows {
        let expected =
            expected.map(|(uid, container)| PodCgroup { pod_uid: uid.into(), container_id: container.then(id) });
        assert_eq!(parse_cgroup_path(&path), expected, "{path}");
    }
}

#[test]
fn a_cgroup_made_inside_a_container_cannot_pass_for_another_pod() {
    let other = "ffffffff-9f2c-4a3e-8d1a-6c7a3f1e2d4b";
    let path = format!("/kubepods/pod{UID}/{}/kubepods/pod{other}/{}", id(), "a".repeat(64));
    assert_eq!(parse_cgroup_path(&path), Some(PodCgroup { pod_uid: UID.into(), container_id: Some(id()) }));
}

proptest! {
    #[test]
    fn both_drivers_give_the_same_answer(uid in "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", cid in "[0-9a-f]{64}",
        qos in prop::sample::select(vec!["", "burstable", "besteffort"]), above in prop::sample::select(vec!["", "/kubelet", "/a/b"]), below in "(/[a-z.]{1,8}){0,2}") {
        let (mut plain, mut slices) = (format!("{above}/kubepods"), "kubepods".to_owned());
        if !qos.is_empty() { plain.push_str(&format!("/{qos}")); slices.push_str(&format!("-{qos}")); }
        let cgroupfs = format!("{plain}/pod{uid}/{cid}{below}");
        let systemd = format!("{above}/kubepods.slice/{slices}.slice/{slices}-pod{}.slice/cri-containerd-{cid}.scope{below}", uid.replace('-', "_"));
        let expected = Some(PodCgroup { pod_uid: uid, container_id: Some(cid) });
        prop_assert_eq!(parse_cgroup_path(&cgroupfs), expected.clone());
        prop_assert_eq!(parse_cgroup_path(&systemd), expected);
    }

    #[test]
    fn no_path_makes_the_parser_panic(path in "\\PC{0,80}") {
        let _ = parse_cgroup_path(&path);
        let _ = procfs::parse_stat(&path);
        let _ = sockets::parse_tcp(&format!("\n{path}"));
        let _ = sockets::parse_raw_tcp(&format!("\n{path}"));
        let _ = sockets::parse_unix_listeners(&format!("\n{path}"));
    }
}

/// A directory tree in place of a cgroup file system; ids are inodes there too.
fn tree(paths: &[&str]) -> (std::path::PathBuf, impl Fn(&str) -> u64) {
    use std::os::unix::fs::MetadataExt;
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let root = std::env::temp_dir().join(format!(
        "wv-cgroups-{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    ));
    for path in paths {
        fs::create_dir_all(root.join(path)).unwrap();
    }
    let base = root.clone();
    (root, move |path: &str| fs::metadata(base.join(path)).unwrap().ino())
}

fn watch() -> WatchList {
    let mut watch = WatchList::default();
    for (at, node) in [(1, "node-1"), (2, "node-2")] {
        let uid = format!("{at:08}-1111-4222-8333-444444444444");
        let name = NamespacedName { namespace: "hello".into(), name: format!("pod-{at}") };
        let container = ContainerRef {
            node: node.into(),
            pod: PodRef { namespace: "hello".into(), name: name.name.clone(), uid: uid.clone() },
            name: "caddy".into(),
            id: format!("c{at}").repeat(32),
        };
        watch.pods.insert(uid, (name, node.into()));
        watch.containers.insert(container.id.clone(), Arc::new(container));
    }
    watch
}

#[test]
fn owners_are_found_by_inode_with_ancestors() {
    let pod_1 = "lab/node-1/kubelet/kubepods/pod00000001-1111-4222-8333-444444444444";
    let pod_2 = "lab/node-2/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod00000002_1111_4222_8333_444444444444.slice";
    let (c1, c2) = ("c1".repeat(32), "c2".repeat(32));
    let caddy = format!("{pod_1}/{c1}");
    let nested = format!("{pod_2}/cri-containerd-{c2}.scope/init");
    let debug = format!("{pod_1}/{}", "dd".repeat(32));
    let stolen = format!("{pod_1}/{c2}");
    let stranger = format!("lab/node-1/kubelet/kubepods/pod{UID}/{c1}");
    let paths = [
        &caddy,
        &nested,
        &debug,
        &stolen,
        &stranger,
        "lab/node-1/system.slice/x.service",
        "lab/node-2/system.slice/kubelet.service",
        "user.slice",
    ];
    let (root, id) = tree(&paths);
    let mut index = CgroupIndex::scan(&root).unwrap();
    let watch = watch();
    let mut owner = |path: &str| index.owner_of(id(path), &watch).to_string();
    assert_eq!(owner(&caddy), "pod hello/pod-1 container caddy on node-1");
    assert_eq!(owner(&nested), "pod hello/pod-2 container caddy on node-2");
    assert_eq!(owner(&debug), format!("pod hello/pod-1 container {} on node-1", "dd".repeat(32)));
    assert!(owner(&stolen).starts_with("unknown cgroup"));
    assert!(owner(&stranger).starts_with("unknown cgroup"));
    assert_eq!(
        owner("lab/node-1/system.slice/x.service"),
        "host process of node-1 in /lab/node-1/system.slice/x.service"
    );
    assert!(owner("lab/node-2/system.slice/kubelet.service").starts_with("host process of node-2"));
    let kubelet = index.owner_of(id("lab/node-2/system.slice/kubelet.service"), &watch);
    assert!(is_kubelet(&kubelet, None));
    // Pods of two nodes below the nearest common ancestor: no node can be named.
    let Owner::Host { node, .. } = index.owner_of(id("user.slice"), &watch) else { panic!() };
    assert!(!node.starts_with("node-"));
    // A cgroup that appears later is found by another scan; one that is not there is remembered as gone.
    fs::create_dir_all(root.join("lab/node-1/system.slice/late.service")).unwrap();
    assert!(
        index
            .owner_of(id("lab/node-1/system.slice/late.service"), &watch)
            .to_string()
            .starts_with("host process of node-1")
    );
    assert_eq!(index.owner_of(u64::MAX, &watch), Owner::Unknown { cgroup_id: u64::MAX, path: None });
    fs::remove_dir_all(root).unwrap();
}

#[test]
fn a_root_that_cannot_be_read_is_an_error() {
    assert!(CgroupIndex::scan(Path::new("/nonexistent")).is_err());
}

fn proc(pid: u32, parent: u32, start: u64, image: u64, sockets: &[u64]) -> Proc {
    let image = Image { exe: (1, image / 10), start_code: 1, start_stack: image };
    let identity = Identity { pid, start, image };
    Proc { identity, parent, comm: format!("p{pid}"), sockets: sockets.iter().copied().collect() }
}

#[test]
fn the_proxy_is_who_listens_first_and_its_forks() {
    let rows: Vec<(&str, Vec<Proc>, Vec<u32>)> = vec![
        ("one process", vec![proc(1, 0, 5, 10, &[100])], vec![1]),
        ("a shell that starts it", vec![proc(1, 0, 5, 20, &[]), proc(2, 1, 6, 10, &[100])], vec![2]),
        (
            "master and workers",
            vec![proc(1, 0, 5, 10, &[100]), proc(2, 1, 6, 10, &[100]), proc(3, 2, 7, 10, &[100])],
            vec![1, 2, 3],
        ),
        ("exec'd tool", vec![proc(1, 0, 5, 10, &[100]), proc(9, 0, 8, 30, &[])], vec![1]),
        ("exec'd tool that listens too", vec![proc(1, 0, 5, 10, &[100]), proc(9, 0, 8, 30, &[200])], vec![1]),
        ("exec'd copy of the proxy, adopted by it", vec![proc(1, 0, 5, 10, &[100]), proc(9, 1, 8, 11, &[])], vec![1]),
        (
            "forked, then exec'd",
            vec![proc(1, 0, 5, 10, &[100]), proc(2, 1, 6, 40, &[]), proc(3, 2, 7, 10, &[])],
            vec![1],
        ),
        ("nothing listens yet", vec![proc(1, 0, 5, 10, &[]), proc(9, 0, 8, 30, &[])], vec![1]),
        ("listener of a sidecar in the same namespace", vec![proc(1, 0, 5, 10, &[7])], vec![1]),
        ("a loop of parents", vec![proc(1, 0, 5, 10, &[100]), proc(2, 3, 6, 10, &[]), proc(3, 2, 6, 10, &[])], vec![1]),
        ("nobody", vec![], vec![]),
    ];
    for (name, processes, expected) in rows {
        let table = ProcTable {
            processes: processes.into_iter().map(|process| (process.identity.pid, process)).collect(),
            listening: BTreeSet::from([100, 200]),
        };
        let pids: Vec<_> = table.proxies(Serves::FirstListener).into_iter().map(|identity| identity.pid).collect();
        assert_eq!(pids, expected, "{name}");
    }
}

#[test]
fn envoy_inside_the_agent_is_told_by_name() {
    let mut envoy = proc(2, 1, 6, 20, &[200]);
    envoy.comm = "cilium-envoy".into();
    let table = ProcTable {
        processes: [(1, proc(1, 0, 5, 10, &[100])), (2, envoy)].into(),
        listening: BTreeSet::from([100, 200]),
    };
    let pids = |serves| table.proxies(serves).into_iter().map(|identity| identity.pid).collect::<Vec<_>>();
    assert_eq!(pids(Serves::NamedEnvoy), [2]);
    assert_eq!(pids(Serves::FirstListener), [1]);
}

#[test]
fn stat_lines_with_any_name_are_read() {
    let line = "42 (a ) b (c) S 7 42 42 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 12345 1000 10 18446744073709551615 94000 95000 140000 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0\n";
    let stat = procfs::parse_stat(line).unwrap();
    assert_eq!(
        (stat.comm.as_str(), stat.parent, stat.start, stat.start_code, stat.start_stack),
        ("a ) b (c", 7, 12345, 94000, 140000)
    );
    assert_eq!(procfs::parse_stat("garbage"), None);
}

#[test]
fn tcp_sockets_are_read_in_both_families() {
    let text = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
        0: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 555 1 x\n\
        1: 0100007F:1F92 00000000:0000 01 00000000:00000000 00:00000000 00000000     0        0 556 1 x\n\
        2: 00000000000000000000000001000000:1F93 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 557 1 x\n\
        3: 0000000000000000FFFF00000100007F:1F94 0000000000000000FFFF00000200007F:0050 01 0:0 0:0 0 0 0 558 1 x\n\
        4: 0100007F:1F95 0200007F:0050 06 0:0 0:0 0 0 0 0 1 x\n\
        5: 0100007F:1F96 0200007F:0050 08 0:0 0:0 0 0 0 559 1 x\n";
    let found = sockets::parse_tcp(text);
    let row = |socket: &sockets::TcpSocket| {
        (socket.local.to_string(), socket.remote.port(), socket.inode, socket.listens, socket.brings)
    };
    let expected = [
        ("127.0.0.1:8081", 0, 555, true, false),
        ("127.0.0.1:8082", 0, 556, false, true),
        ("[::1]:8083", 0, 557, true, false),
        ("127.0.0.1:8084", 80, 558, false, true),
        // Its peer has closed it, and its owner has not.
        ("127.0.0.1:8086", 80, 559, false, false),
    ];
    assert_eq!(
        found.iter().map(row).collect::<Vec<_>>(),
        expected.map(|(local, remote, inode, listens, brings)| (local.to_owned(), remote, inode, listens, brings))
    );
}

/// This very process, seen through the real /proc and a directory in place of its cgroup.
#[test]
fn this_process_is_the_proxy_of_its_own_container_and_a_child_is_not() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let path = format!("kubepods/pod00000001-1111-4222-8333-444444444444/{}", "c1".repeat(32));
    let (root, _) = tree(&[&path]);
    let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    fs::write(root.join(&path).join("cgroup.procs"), format!("{}\n{}\n", std::process::id(), child.id())).unwrap();
    let watch = Arc::new(watch());
    let container = watch.containers[&"c1".repeat(32)].clone();
    let mut host = Host::with_proc(&root, watch, Path::new("/proc")).unwrap();
    assert_eq!(host.classify(&container, std::process::id()), ProxyProcess::Proxy);
    assert_eq!(host.classify(&container, std::process::id()), ProxyProcess::Proxy);
    let named = host.classify(&container, child.id());
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(matches!(named, ProxyProcess::NotProxy(_)), "{named:?}");
    assert_eq!(
        host.classify(&container, child.id()),
        ProxyProcess::NotProxy("gone before it could be looked at".into())
    );
    assert!(host.listens(&container, listener.local_addr().unwrap()));
    drop(listener);
    assert_eq!(host.container_cgroups().len(), 2);
    assert_eq!(host.uncovered_nodes(), ["node-2"]);
    fs::remove_dir_all(root).unwrap();
}

#[test]
fn raw_sockets_of_tcp_and_listening_unix_sockets_are_told_from_the_others() {
    let raw = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
        1: 00000000:0001 00000000:0000 07 0:0 00:0 0 0 0 700 2 0 0\n\
        6: 00000000:0006 00000000:0000 07 0:0 00:0 0 0 0 701 2 0 0\n";
    assert_eq!(sockets::parse_raw_tcp(raw), [701]);
    let unix = "Num       RefCount Protocol Flags    Type St Inode Path\n\
        0000000000000000: 00000002 00000000 00010000 0001 01 800 /run/a b.sock\n\
        0000000000000000: 00000003 00000000 00000000 0001 03 801 /run/connected.sock\n\
        0000000000000000: 00000002 00000000 00010000 0001 01 802\n\
        0000000000000000: 00000002 00000000 00010000 0005 01 803 @abstract\n";
    assert_eq!(sockets::parse_unix_listeners(unix), ["/run/a b.sock", "@abstract"]);
}
