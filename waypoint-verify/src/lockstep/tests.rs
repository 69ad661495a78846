use super::*;
use crate::bus::batch::Answer;
use crate::model::{ConnKey, ContainerRef, MessageKey, NamespacedName, OlderGroup, Owner, PodRef, Side};

const REVISION: u64 = 9;

fn expected() -> Expected {
    BTreeMap::from([("a".to_owned(), REVISION), ("b".to_owned(), REVISION)])
}

fn container(node: &str) -> Arc<ContainerRef> {
    let pod = PodRef { namespace: "hello".into(), name: format!("pod-{node}"), uid: format!("uid-{node}") };
    Arc::new(ContainerRef { node: node.into(), pod, name: "caddy".into(), id: format!("id-{node}") })
}

fn watch() -> WatchList {
    let mut watch = WatchList::default();
    for node in ["a", "b"] {
        let container = container(node);
        let name = NamespacedName { namespace: "hello".into(), name: container.pod.name.clone() };
        watch.pods.insert(container.pod.uid.clone(), (name, node.into()));
        watch.containers.insert(container.id.clone(), container);
    }
    watch
}

fn key(n: u32) -> MessageKey {
    MessageKey { conn: ConnKey { client_isn: n, server_isn: n }, offset: 0, stream: 0 }
}

fn received(n: u32) -> Evidence {
    Evidence::Received { key: key(n), whole: true, at: 77 }
}

fn opened(n: u32, owner: Owner) -> Evidence {
    let (local, remote) = ("10.0.0.1:1".parse().unwrap(), "10.0.0.2:2".parse().unwrap());
    let end = Arc::new(End { owner, process: None, local, remote, at: 77 });
    Evidence::Opened { conn: key(n).conn, side: Side::Active, end }
}

/// Two agents and the verifier.
struct World {
    lockstep: Lockstep,
    watch: WatchList,
    next: BTreeMap<&'static str, u64>,
    out: Vec<Testimony>,
}

impl World {
    fn new() -> Self {
        Self { lockstep: Lockstep::default(), watch: watch(), next: BTreeMap::new(), out: Vec::new() }
    }

    fn batch(&mut self, node: &'static str, evidence: Vec<Evidence>, tick: Option<u64>) -> Batch {
        let next = self.next.entry(node).or_default();
        let answer = tick.map(|tick| Answer { tick, revision: REVISION, ..Answer::default() });
        let batch = Batch { node: node.into(), epoch: 1, sequence: *next, evidence, answer };
        *next += 1;
        batch
    }

    fn take(&mut self, batch: Batch) -> Taken {
        let node = batch.node.clone();
        self.lockstep.take(&node, batch, &self.watch, &mut self.out)
    }

    fn says(&mut self, node: &'static str, evidence: Vec<Evidence>) -> Taken {
        let batch = self.batch(node, evidence, None);
        self.take(batch)
    }

    fn answers(&mut self, node: &'static str) {
        let tick = self.lockstep.tick();
        let batch = self.batch(node, Vec::new(), Some(tick));
        self.take(batch);
    }

    /// A whole tick; what was handed on since the last one.
    fn tick(&mut self, at: BootNs) -> (Coverage, Vec<Evidence>) {
        self.lockstep.issue(at);
        ["a", "b"].into_iter().for_each(|node| self.answers(node));
        assert!(self.lockstep.answered(&expected()));
        self.end(at + 5)
    }

    fn end(&mut self, at: BootNs) -> (Coverage, Vec<Evidence>) {
        let coverage = self.lockstep.end(&expected(), at, &mut self.out);
        (coverage, self.out.drain(..).map(|testimony| testimony.evidence).collect())
    }

    /// Both agents have been there for a while.
    fn settled() -> Self {
        let mut world = Self::new();
        let (coverage, handed_on) = world.tick(100);
        assert!(coverage.is_complete() && handed_on.is_empty(), "{coverage:?} {handed_on:?}");
        let (coverage, _) = world.tick(200);
        assert!(coverage.is_complete(), "{coverage:?}");
        world
    }
}

#[test]
fn an_arrival_is_judged_when_a_tick_is_over_that_was_issued_after_it_was_reported() {
    let mut world = World::settled();
    world.lockstep.issue(300);
    // Reported while tick 3 runs: what caused it may still be on its way from b, which answered already.
    world.answers("b");
    world.says("a", vec![received(1), opened(1, Owner::Container(container("a")))]);
    world.answers("a");
    let (_, handed_on) = world.end(305);
    assert!(matches!(handed_on[..], [Evidence::Opened { .. }]), "{handed_on:?}");
    let (_, handed_on) = world.tick(400);
    assert_eq!(handed_on, [received(1)]);
}

#[test]
fn an_observation_has_the_time_of_the_last_tick_that_its_node_had_answered() {
    let mut world = World::new();
    let at = |evidence: &[Evidence]| match evidence {
        [.., Evidence::Opened { end, .. }] => end.at,
        other => panic!("{other:?}"),
    };
    let opening = || vec![opened(1, Owner::Container(container("a")))];
    world.says("a", opening());
    assert_eq!(at(&world.tick(100).1[..1]), 0, "nothing is known of when");
    world.says("a", opening());
    assert_eq!(at(&world.tick(200).1), 100);
    // b has answered a newer one; that says nothing of a.
    world.lockstep.issue(300);
    world.answers("b");
    world.end(310);
    world.says("a", opening());
    assert_eq!(at(&world.end(320).1), 200);
}

#[test]
fn a_hole_in_a_stream_is_a_loss_of_anybodys_openings_and_blinds_for_one_tick() {
    let mut world = World::settled();
    let _lost = world.batch("a", vec![received(1)], None);
    assert_eq!(world.says("a", Vec::new()), Taken::Gap);
    let (coverage, handed_on) = world.tick(300);
    assert_eq!(coverage.blind, BTreeMap::from([("a".to_owned(), BTreeSet::from([Blind::Gap]))]));
    assert!(matches!(handed_on[..], [Evidence::Lost { of: None, records: 1, openings: true, .. }]), "{handed_on:?}");
    assert!(world.tick(400).0.is_complete());
}

#[test]
fn what_is_told_twice_is_taken_once() {
    let mut world = World::settled();
    let batch = world.batch("a", vec![opened(1, Owner::Container(container("a")))], None);
    assert_eq!(world.take(batch.clone()), Taken::Next);
    assert_eq!(world.take(batch), Taken::Again);
    assert_eq!(world.tick(300).1.len(), 1);
}

#[test]
fn another_run_of_an_agent_is_a_gap_and_what_is_left_of_the_old_one_is_not_taken() {
    let mut world = World::settled();
    let late = world.batch("a", vec![received(1)], None);
    let mut fresh = world.batch("a", Vec::new(), None);
    (fresh.epoch, fresh.sequence) = (2, 0);
    assert_eq!(world.take(fresh), Taken::Gap);
    assert_eq!(world.take(late), Taken::Again);
}

#[test]
fn a_node_without_an_answer_blinds_and_says_how() {
    let mut world = World::settled();
    world.lockstep.issue(300);
    world.answers("b");
    assert!(!world.lockstep.answered(&expected()));
    let (coverage, _) = world.end(500);
    assert_eq!(coverage.blind["a"], BTreeSet::from([Blind::Silent]));

    // An answer to an older tick is none.
    world.lockstep.issue(600);
    let batch = world.batch("a", Vec::new(), Some(3));
    world.take(batch);
    assert!(!world.lockstep.answered(&expected()));

    // Nor is one to a tick of another verifier, whatever its number.
    let mut batch = world.batch("a", Vec::new(), Some(4));
    batch.answer = batch.answer.map(|answer| Answer { verifier: 9, ..answer });
    world.take(batch);
    assert!(!world.lockstep.answered(&expected()));

    // An old watch list, and what the agent itself says.
    let mut batch = world.batch("a", Vec::new(), Some(4));
    batch.answer =
        Some(Answer { tick: 4, verifier: 0, revision: 1, blind: vec!["no ring".into()], ..Answer::default() });
    world.take(batch);
    world.answers("b");
    let (coverage, _) = world.end(610);
    assert_eq!(coverage.blind["a"], BTreeSet::from([Blind::Stale, Blind::Said("no ring".into())]));

    let everybody = Expected::from([("c".to_owned(), REVISION)]);
    world.lockstep.issue(700);
    let coverage = world.lockstep.end(&everybody, 800, &mut Vec::new());
    assert_eq!(coverage.blind["c"], BTreeSet::from([Blind::NoAgent]));
    assert!(!Coverage::default().is_complete(), "a cluster without nodes is not seen");
}

#[test]
fn a_node_cannot_testify_for_another_one() {
    let forged = |node: &str| Arc::new(ContainerRef { node: node.into(), ..(*container("b")).clone() });
    let (local, peer) = ("10.0.0.1:1".parse().unwrap(), "10.0.0.2:2".parse().unwrap());
    let entered = |instance| Evidence::Entered { key: key(1), instance, local, peer, digest: 1, at: 1 };
    let other_id = Arc::new(ContainerRef { id: "id-b".into(), ..(*container("a")).clone() });
    let rows = [
        ("a pod of b, as it is", opened(1, Owner::Container(container("b")))),
        ("a pod of b that is said to be here", opened(1, Owner::Container(forged("a")))),
        ("a container of b that is said to be of a pod here", entered(other_id)),
        ("a host process of b", opened(1, Owner::Host { node: "b".into(), cgroup: "/x".into() })),
        (
            "losses of b",
            Evidence::Lost { of: Some(Owner::Container(container("b"))), records: 1, bytes: 1, openings: true, at: 1 },
        ),
    ];
    for (what, evidence) in rows {
        let mut world = World::settled();
        // The whole batch is refused, whatever else is in it.
        let taken = world.says("a", vec![opened(2, Owner::Container(container("a"))), evidence]);
        assert!(matches!(taken, Taken::Refused(_)), "{what}: {taken:?}");
        let (coverage, handed_on) = world.tick(300);
        assert!(matches!(handed_on[..], [Evidence::Lost { of: None, .. }]), "{what}: {handed_on:?}");
        assert!(coverage.blind["a"].contains(&Blind::Gap), "{what}");
    }
    // Nor can it keep another one's policies waiting.
    let mut world = World::settled();
    let mut batch = world.batch("a", Vec::new(), Some(1));
    let group = OlderGroup { container: container("b"), peer: peer.ip(), connections: 1 };
    batch.answer.as_mut().unwrap().older.groups.push(group);
    assert!(matches!(world.take(batch), Taken::Refused(Refused::OtherPod { .. })));

    let mut world = World::settled();
    let batch = world.batch("b", Vec::new(), None);
    assert!(matches!(
        world.lockstep.take("a", batch, &world.watch, &mut world.out),
        Taken::Refused(Refused::OtherStream { .. })
    ));
}
