//! To whom a gate gets, and what it says where it does not.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use xtask::cluster::controllers::Running;
use xtask::cluster::installation;

use crate::{NAMESPACE, OWNER, POLICY, STANDBY, Stage};

const RUNNING: Running = Running { node_address: "127.0.0.1", addresses: &[], containers: &[] };

pub fn whichever_is_found_first_the_one_that_judges_is_asked(stage: &Stage) {
    let client = stage.server.client();
    stage.kubelet.forwarded();
    stage.outcome(&stage.pipeline, &[]).is_an_answer();
    assert_eq!(stage.kubelet.forwarded(), [OWNER], "one forward for all questions");
    // Now only the other one is ready; it knows better.
    client.not_ready(NAMESPACE, OWNER).unwrap();
    stage.outcome(&stage.pipeline, &[]).is_an_answer();
    assert_eq!(stage.kubelet.forwarded(), [STANDBY, OWNER]);
    client.running(NAMESPACE, OWNER, &RUNNING).unwrap();
}

/// What the verifier says is in the reports, with the object that it is of.
pub fn what_was_heard_is_told_in_reports(stage: &Stage) {
    let path = |name: &str| stage.server.dir().join(name);
    let wanted = |format: &str, name: &str| format!("{format}={}", path(name).display());
    let (junit, reports) = (wanted("junit", "gate.xml"), wanted("openreports", "gate.yaml"));
    stage.outcome(&stage.pipeline, &["--report", &junit, "--report", &reports]).is_an_answer();
    let read = |name: &str| std::fs::read_to_string(path(name)).unwrap();
    let junit = read("gate.xml");
    assert!(junit.contains(r#"errors="1""#) && junit.contains("coverage/node: not every node was covered"), "{junit}");
    let (namespace, name) = POLICY.split_once('/').unwrap();
    let policy = installation::policies(&stage.server, namespace).unwrap();
    let uid = stage.server.client().run(policy.get(name)).unwrap().metadata.uid.unwrap();
    let reports = read("gate.yaml");
    assert!(reports.contains(&format!("uid: {uid}")) && reports.contains("error: 2"), "{reports}");
}

/// A gate that runs, and tells every five seconds how it is.
struct Telling {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStderr>>,
}

impl Telling {
    fn start(stage: &Stage) -> Self {
        let mut command = stage.gate(&stage.pipeline, &["--timeout", "120"]);
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut telling = Self { child, lines };
        telling.until(|line| line.ends_with("counting from here"));
        telling
    }

    fn until(&mut self, mut is_it: impl FnMut(&str) -> bool) -> String {
        let mut told = Vec::new();
        for line in self.lines.by_ref().map(Result::unwrap) {
            if is_it(&line) {
                return line;
            }
            told.push(line);
        }
        panic!("the gate has ended: {told:#?}");
    }

    /// How it says that it has an answer, and that no node is covered.
    fn hears(&mut self) -> String {
        self.until(|line| line == format!("{POLICY}: Unknown: requests 0, verified 0, not covered"))
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

pub fn a_forward_that_is_cut_is_made_again(stage: &Stage) {
    stage.kubelet.forwarded();
    let mut gate = Telling::start(stage);
    stage.relay.close();
    let told = gate.until(|line| line.contains("not covered ("));
    assert!(told.contains("port-forward to pod waypoint-verify/verifier-"), "{told}");
    assert_eq!(stage.kubelet.forwarded(), [OWNER], "nobody gets through");
    stage.relay.open();
    gate.hears();
    assert!(stage.kubelet.forwarded().ends_with(&[OWNER.to_owned()]));
}

/// Both pods are something else.
fn lead_to(stage: &Stage, place: SocketAddr) {
    [OWNER, STANDBY].into_iter().for_each(|pod| stage.kubelet.runs(NAMESPACE, pod, place));
}

fn lead_home(stage: &Stage) {
    let verifiers = stage.installation.verifiers().iter();
    verifiers.for_each(|verifier| stage.kubelet.runs(NAMESPACE, verifier.identity(), verifier.address()));
}

/// Of another authority; and of the right one, but not for the verifier. Neither gets a request, and so no token.
pub fn whoever_has_another_certificate_is_refused(stage: &Stage) {
    let api_server: SocketAddr = stage.server.url().trim_start_matches("https://").parse().unwrap();
    let kubelet: SocketAddr = ([127, 0, 0, 1], stage.kubelet.port).into();
    lead_to(stage, api_server);
    stage.outcome(&stage.pipeline, &[]).is_no_answer(&["invalid peer certificate"]);
    lead_to(stage, kubelet);
    let ca = stage.server.ca().display().to_string();
    let name = "waypoint-verify-verifier.waypoint-verify.svc";
    stage.outcome(&stage.pipeline, &["--ca", &ca]).is_no_answer(&["invalid peer certificate", name]);
    lead_home(stage);
    stage.outcome(&stage.pipeline, &[]).is_an_answer();
}

/// It may not be who the user thinks: a token is only sent there if he says which.
pub fn the_kubeconfigs_token_is_not_sent_to_a_url(stage: &Stage) {
    let (verifier, ca) = (&stage.installation.verifiers()[0], stage.installation.nats.ca().display().to_string());
    let way = ["--verifier-url", &verifier.url(), "--ca", &ca];
    stage.outcome(&stage.pipeline, &way).is_no_answer(&["401 Unauthorized: a bearer token is expected"]);
}

pub fn without_a_verifier_it_is_said_what_is_missing(stage: &Stage) {
    let admin = stage.server.kubeconfig();
    let ca = stage.installation.nats.ca().display().to_string();
    let elsewhere = ["--verifier-namespace", "hello"];
    stage.outcome(&admin, &elsewhere).is_refused(&["there is no ConfigMap hello/waypoint-verify-ca", "--ca FILE"]);
    let elsewhere = ["--verifier-namespace", "hello", "--ca", &ca];
    stage.outcome(&admin, &elsewhere).is_no_answer(&["no verifier pod in namespace hello"]);
    let client = stage.server.client();
    [OWNER, STANDBY].into_iter().for_each(|pod| client.not_ready(NAMESPACE, pod).unwrap());
    let pods = "verifier-1 (Running, not ready), verifier-2 (Running, not ready)";
    stage.outcome(&stage.pipeline, &[]).is_no_answer(&["is ready", pods]);
    [OWNER, STANDBY].into_iter().for_each(|pod| client.running(NAMESPACE, pod, &RUNNING).unwrap());
    // Nothing listens there any more.
    lead_to(stage, ([127, 0, 0, 1], 1).into());
    stage.outcome(&stage.pipeline, &[]).is_no_answer(&["port-forward to pod", "Connection refused"]);
    lead_home(stage);
}

/// The pod is still there, as it is for a while where a node was lost.
pub fn who_judges_next_is_followed(stage: &mut Stage) {
    let mut gate = Telling::start(stage);
    let pid = stage.installation.verifier(1).unwrap().pid().unwrap();
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGTERM).unwrap();
    let mut to = None;
    gate.until(|line| {
        to = stage.kubelet.forwarded().pop().or(to.take());
        let is_answer = line.ends_with("not covered") || line.contains("another verifier has taken over meanwhile");
        is_answer && to.as_deref() == Some(STANDBY)
    });
}
