//! The lab with real namespaces, cgroups and proxies. Each test builds labs of its own.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use xtask::client::{Body, Connection, Outcome, Request, Script, Step};
use xtask::lab::privileged::{available, traces};
use xtask::lab::{Lab, Topology, Variant, patience};

/// Sends `/bypass` straight to the backend, the rest as before.
const BYPASS: &str = "
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: bypass, namespace: hello}
spec:
  parentRefs: [{name: hello-gateway}]
  rules:
    - matches: [{path: {type: PathPrefix, value: /bypass}}]
      backendRefs: [{name: hello-backend, port: 8083}]
";

fn lab() -> Lab {
    Lab::up(&Topology::standard()).expect("the lab comes up")
}

/// The proxies that a request passed, by what they wrote into `x-forwarded-for`.
fn hops(outcome: &Outcome) -> usize {
    assert_eq!(outcome.status, 200, "{outcome:?}");
    outcome.header("x-lab-forwarded-for").unwrap_or_default().split(',').filter(|hop| !hop.is_empty()).count()
}

fn gets(target: &str, count: usize) -> Vec<Request> {
    vec![Request::get(target); count]
}

#[test]
fn requests_pass_the_waypoint_until_a_route_lets_them_skip_it() {
    if !available("requests_pass_the_waypoint_until_a_route_lets_them_skip_it") {
        return;
    }
    let mut lab = lab();
    let gateway = lab.gateway("hello-gateway").unwrap();
    let client = lab.client("client-1").unwrap();
    let compliant = client.run(&Script::keep_alive(gateway, gets("/bypass/x", 10))).unwrap();
    assert_eq!(compliant.len(), 10);
    assert!(compliant.iter().all(|outcome| hops(outcome) == 2), "{compliant:?}");

    lab.apply(BYPASS).unwrap();
    // No pause: `apply` returns when the route is served.
    let mixed = client.run(&Script::keep_alive(gateway, [gets("/bypass/x", 10), gets("/", 10)].concat())).unwrap();
    assert_eq!(mixed.iter().map(hops).collect::<Vec<_>>(), [vec![1; 10], vec![2; 10]].concat());
    let peers = |outcomes: &[Outcome]| {
        outcomes.iter().filter_map(|o| o.header("x-lab-peer").map(str::to_owned)).collect::<Vec<_>>()
    };
    let (bypassing, passing) = (peers(&mixed[..10]), peers(&mixed[10..]));
    assert!(
        bypassing.iter().any(|peer| passing.contains(peer)),
        "no upstream connection is shared: {bypassing:?} {passing:?}"
    );

    lab.reset().unwrap();
    let again = client.run(&Script::keep_alive(gateway, gets("/bypass/x", 4))).unwrap();
    assert!(again.iter().all(|outcome| hops(outcome) == 2));

    let id = lab.plan().id.clone();
    lab.down().unwrap();
    assert_eq!(traces(&id), Vec::<String>::new());
}

#[test]
fn every_way_around_the_gateway_leads_to_the_backend() {
    if !available("every_way_around_the_gateway_leads_to_the_backend") {
        return;
    }
    let lab = lab();
    let ask = |place: &xtask::lab::Place, to| place.run(&Script::keep_alive(to, gets("/", 2))).unwrap();
    let client = lab.client("client-1").unwrap();
    let to_the_pod = ask(&client, lab.pod("hello-backend-2").unwrap());
    let to_the_service = ask(&client, lab.service("hello-backend").unwrap());
    for outcome in to_the_pod.iter().chain(&to_the_service) {
        assert_eq!(hops(outcome), 0);
        assert!(outcome.header("x-lab-peer").unwrap().starts_with("10.244.1.12:"), "unmasqueraded: {outcome:?}");
    }
    for outcome in ask(&lab.outside(), lab.node_port("node-1", "hello-backend-nodeport").unwrap()) {
        assert!(
            outcome.header("x-lab-peer").unwrap().starts_with("172.18.0.11:"),
            "the node's own address: {outcome:?}"
        );
    }
    for outcome in ask(&lab.host("node-1").unwrap(), lab.service("hello-backend").unwrap()) {
        assert!(outcome.header("x-lab-peer").unwrap().starts_with("172.18.0.11:"), "{outcome:?}");
    }
    // hello-upstream itself, and the waypoint's sidecar through it.
    let upstream = lab.gateway("hello-upstream").unwrap();
    assert_eq!(hops(&ask(&client, upstream)[0]), 1);
    let sidecar = lab.container("hello-waypoint-1", "sidecar").unwrap();
    assert_eq!(ask(&sidecar, upstream)[0].header("x-lab-forwarded-for"), Some("10.244.1.10"));
    // From outside through a load balancer's address: the client's own address reaches Envoy.
    let vip = lab.plan().gateway("hello-upstream").unwrap().load_balancer_ip.v4();
    let through = ask(&lab.outside(), (vip, 8082).into());
    assert_eq!(through[0].header("x-lab-forwarded-for"), Some("203.0.113.10"));
}

#[test]
fn processes_are_in_their_containers_cgroup_from_the_start() {
    if !available("processes_are_in_their_containers_cgroup_from_the_start") {
        return;
    }
    let lab = lab();
    for place in [lab.client("client-2").unwrap(), lab.host("node-2").unwrap(), lab.outside()] {
        let output = place.output("cat", &["/proc/self/cgroup"]).unwrap();
        let path = output.lines().find_map(|line| line.strip_prefix("0::")).unwrap();
        assert!(place.cgroup().ends_with(path.trim_start_matches('/')), "{path} is not {}", place.cgroup().display());
    }
}

#[test]
fn a_connection_is_held_until_it_is_released() {
    if !available("a_connection_is_held_until_it_is_released") {
        return;
    }
    let lab = lab();
    let to = lab.gateway("hello-gateway").unwrap();
    let steps = vec![
        Step::Request(Request::get("/1")),
        Step::Wait("go".to_owned()),
        Step::Meet,
        Step::Request(Request::get("/2")),
    ];
    let script = Script { connections: vec![Connection { to, from: None, steps }; 8] };
    let mut held = lab.client("client-3").unwrap().spawn(&script).unwrap();
    held.wait_until_held("go", 8).unwrap();
    held.release("go").unwrap();
    let outcomes = held.finish().unwrap();
    assert_eq!(outcomes.len(), 16);
    let of_first: Vec<_> = outcomes.iter().filter(|o| o.connection == 0).map(|o| o.local).collect();
    assert_eq!(of_first[0], of_first[1], "one connection");
}

#[test]
fn retries_large_bodies_mirrors_and_health_checks_are_at_hand() {
    if !available("retries_large_bodies_mirrors_and_health_checks_are_at_hand") {
        return;
    }
    let mut lab = lab();
    let to = lab.gateway("hello-gateway").unwrap();
    let client = lab.client("client-4").unwrap();
    let large = Request::new("POST", "/upload").body(Body::Zeros(64 << 20));
    let chunked = Request::new("POST", "/upload").body(Body::Chunks(vec!["abc".to_owned(), "de".to_owned()]));
    let retried = Request::get("/status/503").header("x-envoy-retry-on", "5xx").header("x-envoy-max-retries", "3");
    let outcomes = client.run(&Script::keep_alive(to, [large, chunked, retried])).unwrap();
    assert_eq!(outcomes[0].body, format!("received {}\n", 64 << 20), "{outcomes:?}");
    assert_eq!(outcomes[1].body, "received 5\n");
    assert_eq!(outcomes[2].status, 503);
    assert_eq!(counted(&lab, "upstream_rq_retry$"), 3, "three retries are four departures");

    let before = lab.container("hello-waypoint-1", "caddy").unwrap();
    lab.restart("hello-waypoint-1", "caddy", Variant::HealthCheck).unwrap();
    let after = lab.container("hello-waypoint-1", "caddy").unwrap();
    assert_ne!(before.cgroup(), after.cgroup());
    assert!(std::fs::read_to_string(lab.cluster_yaml()).unwrap().contains("restartCount: 1"));
    let through = client.run(&Script::keep_alive(to, gets("/", 10))).unwrap();
    assert!(through.iter().all(|outcome| hops(outcome) == 2), "the restarted waypoint serves: {through:?}");
    let before = counted(&lab, "hello-backend.*upstream_rq_total$");
    patience::wait("health checks", || {
        Ok((counted(&lab, "hello-backend.*upstream_rq_total$") > before + 2).then_some(()))
    })
    .unwrap();
}

/// Sum of the counters of all Envoys whose names match.
fn counted(lab: &Lab, filter: &str) -> u32 {
    let stats = lab
        .plan()
        .nodes
        .iter()
        .map(|node| lab.envoy(&node.name).unwrap().admin(&format!("/stats?filter={filter}")).unwrap());
    let all: String = stats.collect();
    all.lines().filter_map(|line| line.rsplit(' ').next()?.parse::<u32>().ok()).sum()
}

#[test]
fn a_mirror_reaches_the_backend_as_a_shadow() {
    if !available("a_mirror_reaches_the_backend_as_a_shadow") {
        return;
    }
    let mut lab = lab();
    let mirror = BYPASS.replace(
        "      backendRefs",
        "      filters: [{type: RequestMirror, requestMirror: {backendRef: {name: hello-backend, port: 8083}}}]\n      backendRefs",
    );
    lab.apply(&mirror.replace(
        "backendRefs: [{name: hello-backend, port: 8083}]",
        "backendRefs: [{name: hello-waypoint, port: 8080}]",
    ))
    .unwrap();
    let gateway = lab.gateway("hello-gateway").unwrap();
    let outcomes = lab.client("client-5").unwrap().run(&Script::keep_alive(gateway, gets("/bypass", 3))).unwrap();
    assert!(outcomes.iter().all(|outcome| hops(outcome) == 2));
    // Six: three by way of the waypoint, three mirrored.
    patience::wait("mirrors", || Ok((counted(&lab, "hello-backend.*upstream_rq_total$") == 6).then_some(()))).unwrap();
}

#[test]
fn a_lab_outlives_the_thread_that_built_it_and_a_client_whose_outcomes_nobody_reads() {
    if !available("a_lab_outlives_the_thread_that_built_it_and_a_client_whose_outcomes_nobody_reads") {
        return;
    }
    let lab = std::thread::spawn(lab).join().unwrap();
    let gateway = lab.gateway("hello-gateway").unwrap();
    let mut script = Script::keep_alive(gateway, gets("/", 1000));
    script.connections[0].steps.push(Step::Wait("end".to_owned()));
    let mut held = lab.client("client-6").unwrap().spawn(&script).unwrap();
    patience::wait("a thousand requests", || {
        Ok((counted(&lab, "hello-backend.*upstream_rq_total$") == 1000).then_some(()))
    })
    .unwrap();
    held.release("end").unwrap();
    assert_eq!(held.finish().unwrap().len(), 1000);
}

#[test]
fn both_families_work() {
    if !available("both_families_work") {
        return;
    }
    let lab = Lab::up(&Topology::standard()).expect("the lab comes up");
    let client = lab.client("client-1").unwrap();
    let plan = lab.plan();
    let vip = plan.gateway("hello-gateway").unwrap().cluster_ip.ipv6.unwrap();
    let through = client.run(&Script::keep_alive((vip, 80).into(), gets("/", 4))).unwrap();
    assert!(through.iter().all(|outcome| hops(outcome) == 2), "{through:?}");
    let pod = plan.pod("hello-backend-2").unwrap().address.ipv6.unwrap();
    let service = plan.topology.services.iter().find(|s| s.name == "hello-backend").unwrap().cluster_ip.ipv6.unwrap();
    for to in [(pod, 8084), (service, 8083)] {
        let direct = client.run(&Script::keep_alive(to.into(), gets("/", 2))).unwrap();
        assert_eq!(hops(&direct[0]), 0);
        assert!(direct[0].header("x-lab-peer").unwrap().starts_with("[fd00:10:244:1::c]:"), "{direct:?}");
    }
    let node = plan.node("node-2").unwrap().address.ipv6.unwrap();
    let outside = lab.outside().run(&Script::keep_alive((node, 30084).into(), gets("/", 1))).unwrap();
    assert!(outside[0].header("x-lab-peer").unwrap().starts_with("[fd00:172:18::c]:"), "{outside:?}");
}

#[test]
fn nothing_is_left_of_a_lab_whose_owner_was_killed() {
    if !available("nothing_is_left_of_a_lab_whose_owner_was_killed") {
        return;
    }
    for (signal, letter) in [(Signal::SIGKILL, 'k'), (Signal::SIGINT, 'i')] {
        let id = format!("t{letter}{}", std::process::id());
        let mut owner = Command::new(env!("CARGO_BIN_EXE_xtask"));
        let mut owner = owner.args(["lab-supervisor", &id]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(owner.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "done\n");
        assert!(traces(&id).len() > 10, "{:?}", traces(&id));
        kill(Pid::from_raw(owner.id().cast_signed()), signal).unwrap();
        owner.wait().unwrap();
        patience::wait("the watchdog", || Ok(traces(&id).is_empty().then_some(())))
            .unwrap_or_else(|error| panic!("{error:#}: {:?}", traces(&id)));
    }
}

#[test]
fn an_id_is_taken_while_its_lab_is_up() {
    if !available("an_id_is_taken_while_its_lab_is_up") {
        return;
    }
    let id = format!("t2x{}", std::process::id());
    let first = Lab::up_as(&id, &Topology::standard()).unwrap();
    let error = format!("{:#}", Lab::up_as(&id, &Topology::standard()).unwrap_err());
    assert!(error.contains("already"), "{error}");
    // The one that was there is as it was.
    let outcomes = first
        .client("client-1")
        .unwrap()
        .run(&Script::keep_alive(first.gateway("hello-gateway").unwrap(), gets("/", 1)))
        .unwrap();
    assert_eq!(hops(&outcomes[0]), 2);
}

#[test]
fn a_route_that_envoy_refuses_is_an_error_that_says_why() {
    if !available("a_route_that_envoy_refuses_is_an_error_that_says_why") {
        return;
    }
    let mut lab = lab();
    let bad = BYPASS.replace("{type: PathPrefix, value: /bypass}", "{type: RegularExpression, value: '/(('}");
    let error = format!("{:#}", lab.apply(&bad).unwrap_err());
    assert!(error.contains("refuses") && error.contains("missing )"), "{error}");
    lab.reset().unwrap();
}

/// As the objects that an API server lists do: an Envoy answers at the addresses of the Gateways that are there.
#[test]
fn gateways_come_and_go_while_the_lab_runs() {
    if !available("gateways_come_and_go_while_the_lab_runs") {
        return;
    }
    let mut lab = Lab::up(&Topology::standard()).unwrap();
    let all = xtask::lab::described(lab.plan()).unwrap();
    let mut fewer = all.clone();
    fewer["items"].as_array_mut().unwrap().retain(|item| item["metadata"]["name"] != "cilium-gateway-other-gateway");
    let status = |lab: &Lab| {
        let script = Script::keep_alive(lab.gateway("other-gateway").unwrap(), vec![Request::get("/")]);
        let outcome = lab.client("client-1").unwrap().run(&script).unwrap().remove(0);
        (outcome.status, outcome.error.is_some())
    };
    for _ in 0..2 {
        lab.follow(fewer.clone()).unwrap();
        assert_eq!(status(&lab), (0, true), "nobody is to answer there");
        lab.follow(all.clone()).unwrap();
        assert_eq!(status(&lab), (404, false), "a Gateway without routes is there");
    }
}
