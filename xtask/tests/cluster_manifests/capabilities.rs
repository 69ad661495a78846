//! Whether the agent's capabilities are enough to see which process owns a socket, and whether each of those for that is needed.

use std::process::{Child, Command, Stdio};

use serde_json::Value;

use xtask::cluster::ApiServer;
use xtask::lab::{patience, privileged};

use crate::rendered::{self, pods, render};
use crate::start;

/// A process that is not root, and one that is, with what a container runtime leaves it.
const OTHERS: [&[&str]; 2] = [
    &["--reuid=65532", "--regid=65532", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all"],
    &["--bounding-set=-all,+chown,+setuid,+kill", "--inh-caps=-all"],
];

struct Other(Child);

impl Other {
    fn start(how: &[&str]) -> Self {
        let child = Command::new("setpriv").args(how).args(["sleep", "60"]).stdin(Stdio::null()).spawn().unwrap();
        let comm = format!("/proc/{}/comm", child.id());
        patience::wait("setpriv", || Ok((std::fs::read_to_string(&comm)? == "sleep\n").then_some(()))).unwrap();
        Self(child)
    }

    /// As the agent reads them: its image, its sockets, its network namespace.
    fn can_be_read_with(&self, capabilities: &[String]) -> bool {
        let bounding = format!("--bounding-set=-all,+{}", capabilities.join(",+").to_lowercase());
        let pid = self.0.id();
        let read = format!("stat -L /proc/{pid}/exe && readlink /proc/{pid}/fd/0 && readlink /proc/{pid}/ns/net");
        let mut command = Command::new("setpriv");
        command.args([&bounding, "--inh-caps=-all", "sh", "-c", &read]);
        command.output().unwrap().status.success()
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn of_the_agent(server: &ApiServer) -> Vec<String> {
    let pods = pods(&render(server, &rendered::install()));
    let agent = pods.iter().find(|pod| pod["spec"]["hostPID"] == true).unwrap();
    let capabilities = &agent["spec"]["containers"][0]["securityContext"]["capabilities"];
    assert_eq!(capabilities["drop"], serde_json::json!(["ALL"]));
    capabilities["add"].as_array().unwrap().iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[test]
fn an_agent_can_read_other_processes_and_needs_what_it_has_for_that() {
    const NAME: &str = "an_agent_can_read_other_processes_and_needs_what_it_has_for_that";
    if !xtask::cluster::available(NAME) || !privileged::available(NAME) {
        return;
    }
    let server = start("manifests-capabilities");
    let all = of_the_agent(&server);
    let others: Vec<Other> = OTHERS.iter().map(|how| Other::start(how)).collect();
    assert!(others.iter().all(|other| other.can_be_read_with(&all)), "{all:?}");
    for needed in ["SYS_PTRACE", "DAC_READ_SEARCH"] {
        let rest: Vec<_> = all.iter().filter(|name| *name != needed).cloned().collect();
        assert_eq!(rest.len() + 1, all.len(), "{needed} is not among {all:?}");
        assert!(!others.iter().all(|other| other.can_be_read_with(&rest)), "{needed} is not needed");
    }
}
