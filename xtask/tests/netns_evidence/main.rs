//! Evidence of real traffic: recorded, judged again, attested, and read by a program that is not ours.

mod kept;
mod unkept;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Mutex;

use xtask::client::{Request, Script};
use xtask::demo::{Ended, Verifier};
use xtask::lab::Lab;

/// Two cores: one lab at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// Whatever its parent id ends in 0 goes straight to the backend.
const SAMPLED: &str = include_str!("../../../manifests/experiment/bypass-route/route.yaml");

/// A folder of its own, with keys.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("wv-evidence-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let folder = Self(folder);
        xtask::keys::make(&folder.0).unwrap();
        folder
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The program as it is shipped.
fn waypoint_verify(words: &[&str]) -> Output {
    Command::new(xtask::demo::binary()).args(words).output().expect("the program runs")
}

/// Four clients, 200 requests; with [`SAMPLED`] one in ten bypasses.
fn traffic(lab: &Lab) {
    let to = lab.gateway("hello-gateway").unwrap();
    let clients: Vec<_> = (0..4)
        .map(|client| {
            let requests = (0..50).map(|n| {
                let number: u64 = client * 50 + n;
                let parent = format!("00-{:032x}-{:015x}{}-01", 0xabc_0000 + number, 0x10_0000 + number, number % 10);
                Request::get("/orders?token=secret").header("traceparent", &parent)
            });
            lab.client(&format!("client-{}", 2 * client + 1)).unwrap().spawn(&Script::keep_alive(to, requests)).unwrap()
        })
        .collect();
    for client in clients {
        let outcomes = client.finish().unwrap();
        assert!(outcomes.iter().all(|outcome| outcome.status == 200), "{outcomes:?}");
    }
}

/// A gate that records and attests into this folder, interrupted when all requests were judged.
fn gate(lab: &Lab, folder: &Folder, name: &str) -> Ended {
    let (record, attest) = (folder.path(&format!("{name}.rec")), folder.path(&format!("{name}.att")));
    let options = ["--record", &record, "--attest", &attest, "--attest-key", &folder.path("key.pem")];
    let mut verifier = Verifier::gate(lab, 1, &options).unwrap();
    traffic(lab);
    verifier.wait_for_verdicts(200).unwrap();
    verifier.end().unwrap()
}
