use super::*;
use crate::manifest::read_str;
use crate::verifier::sample::OBJECTS;

const ROUTE: &str = "
---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: cilium}
spec: {controllerName: io.cilium/gateway-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: front, namespace: hello}
spec: {gatewayClassName: cilium, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: past, namespace: hello}
spec: {parentRefs: [{name: front}], rules: [{backendRefs: [{name: backend, port: 8083}]}]}
";
const WINDOW: Duration = Duration::from_secs(600);

fn name() -> NamespacedName {
    NamespacedName { namespace: "hello".into(), name: "p".into() }
}

fn read(text: &str, before: &Declarations, began: Instant) -> Declarations {
    let (objects, problems) = read_str("test", text);
    assert_eq!(problems, []);
    Declarations::new(1, objects, Vec::new(), &Assumptions::default(), before, began)
}

fn counted(kind: &str) -> BTreeMap<String, u64> {
    BTreeMap::from([(kind.to_owned(), 3)])
}

/// Sightings of this kind, first at this time.
fn sighted(seen: &BTreeMap<String, u64>, at: Instant) -> Sightings {
    let mut sightings = Sightings::default();
    sightings.update(std::iter::empty(), at);
    sightings.update([(&name(), seen)].into_iter(), at);
    sightings
}

#[test]
fn what_was_seen_before_a_reading_and_is_in_none_of_it_is_a_hole() {
    let start = Instant::now();
    let later = start + Duration::from_secs(1);
    let (seen, none) = (counted("RouteBypass"), BTreeMap::new());
    let sightings = sighted(&seen, start);
    let holes = |read: &Declarations, sightings: &Sightings| read.undeclared(&name(), &seen, sightings, WINDOW);
    let declared = read(OBJECTS, &Declarations::default(), later);
    assert_eq!(holes(&declared, &sightings), seen);
    // What opened it may be newer than the reading.
    assert_eq!(holes(&declared, &sighted(&seen, later)), none);
    // Nobody knows what was declared before this verifier looked.
    let mut inherited = Sightings::default();
    inherited.update([(&name(), &seen)].into_iter(), start);
    assert_eq!(holes(&declared, &inherited), none);
    // What it had counted is gone when the window is over: the rest was seen since.
    let much_later = read(OBJECTS, &Declarations::default(), start + WINDOW + Duration::from_secs(1));
    assert_eq!(holes(&much_later, &inherited), seen);
    // What was not read may be what opened it.
    let (objects, _) = read_str("test", OBJECTS);
    let unread = vec![Problem::finding("not listed", "grant it")];
    let partial = Declarations::new(1, objects, unread, &Assumptions::default(), &Declarations::default(), later);
    assert_eq!(holes(&partial, &sightings), none);
    // It was open, and is no more.
    let open = read(&format!("{OBJECTS}{ROUTE}"), &Declarations::default(), later);
    assert_eq!(holes(&open, &sightings), none);
    let closed = read(OBJECTS, &open, later + Duration::from_secs(1));
    assert_eq!(holes(&closed, &sightings), none);
    // Too long ago to explain what is counted within the window.
    assert_eq!(closed.undeclared(&name(), &seen, &sightings, Duration::ZERO), seen);
}

#[test]
fn what_came_through_a_gateway_that_leads_nowhere_past_the_waypoint_is_a_hole() {
    let began = Instant::now().checked_sub(Duration::from_secs(30)).unwrap();
    let open = read(&format!("{OBJECTS}{ROUTE}"), &Declarations::default(), began);
    let through = |gateways: &[&str], seconds: u64| {
        let listeners: Vec<_> = gateways.iter().map(|gateway| format!("Gateway hello/{gateway} port 80")).collect();
        let bypass = (&[Bypass::RouteBypass][..], listeners.as_slice(), Duration::from_secs(seconds));
        open.by_other_gateways(&name(), std::iter::once(bypass), WINDOW)
    };
    assert_eq!(through(&["front"], 40), BTreeMap::new());
    let hole = BTreeMap::from([("RouteBypass through Gateway hello/front-2 port 80".to_owned(), 1)]);
    assert_eq!(through(&["front-2"], 40), hole);
    // One of both, newer than the reading, older than the window, or through none.
    assert_eq!(through(&["front-2", "front"], 40), BTreeMap::new());
    assert_eq!(through(&["front-2"], 20), BTreeMap::new());
    assert_eq!(through(&["front-2"], 700), BTreeMap::new());
    assert_eq!(through(&[], 40), BTreeMap::new());
    // Nothing of the kind at all is told by its count.
    let closed = read(OBJECTS, &Declarations::default(), began);
    let listener = ["Gateway hello/front port 80".to_owned()];
    let bypass = (&[Bypass::RouteBypass][..], &listener[..], Duration::from_secs(40));
    assert_eq!(closed.by_other_gateways(&name(), std::iter::once(bypass), WINDOW), BTreeMap::new());
}

/// Nobody knows how long it was open after the last reading that has it.
#[test]
fn a_way_that_is_closed_explains_what_came_until_it_was_seen_to_be() {
    let now = Instant::now();
    let early = now.checked_sub(WINDOW + Duration::from_secs(100)).unwrap();
    let seen = counted("RouteBypass");
    let open = read(&format!("{OBJECTS}{ROUTE}"), &Declarations::default(), early);
    let closed = read(OBJECTS, &open, now);
    assert_eq!(closed.undeclared(&name(), &seen, &sighted(&seen, early), WINDOW), BTreeMap::new());
    // It is stamped once, and not at every reading after that.
    let later = now + WINDOW + Duration::from_secs(100);
    let still = read(OBJECTS, &closed, later);
    assert_eq!(still.undeclared(&name(), &seen, &sighted(&seen, early), WINDOW), seen);
}

#[test]
fn what_is_not_counted_any_more_was_not_seen() {
    let start = Instant::now();
    let seen = counted("RouteBypass");
    let mut sightings = sighted(&seen, start);
    sightings.update(std::iter::empty(), start);
    sightings.update([(&name(), &seen)].into_iter(), start + Duration::from_secs(5));
    assert!(!sightings.before(&name(), "RouteBypass", start + Duration::from_secs(5), WINDOW));
    assert!(sightings.before(&name(), "RouteBypass", start + Duration::from_secs(6), WINDOW));
}

#[test]
fn a_report_tells_ways_with_requests_and_is_bounded() {
    let open = read(&format!("{OBJECTS}{ROUTE}"), &Declarations::default(), Instant::now());
    let analysis = |read: &Declarations| read.analysis(&name(), ("", 0)).unwrap().clone();
    let told = findings(&analysis(&open), &counted("RouteBypass"), &counted("UpstreamBypass"));
    assert_eq!((&*told[0].rule.id, told[0].level), ("declared/undeclared", Level::Violation));
    let route = told.iter().find(|finding| finding.message.starts_with("RouteBypass")).unwrap();
    assert_eq!(&*route.rule.id, "declared/past");
    assert!(route.message.contains("a request that takes it, from outside: curl"), "{}", route.message);
    assert_eq!(route.object.as_ref().unwrap().name, "past");
    let many: String = (0..200)
        .map(|at| format!("---\napiVersion: v1\nkind: Service\nmetadata: {{name: s{at}, namespace: hello}}\nspec: {{selector: {{app: backend}}, ports: [{{port: 80}}]}}\n"))
        .collect();
    let told = read(&format!("{OBJECTS}{many}"), &Declarations::default(), Instant::now());
    let told = findings(&analysis(&told), &BTreeMap::new(), &BTreeMap::new());
    assert_eq!(told.len(), TOLD + 1);
    assert!(told[TOLD].message.contains("findings more"), "{}", told[TOLD].message);
}

#[test]
fn a_policy_without_its_target_is_not_read_and_others_are() {
    let (_, policy) = OBJECTS.rsplit_once("---").unwrap();
    let other = policy.replace("name: p,", "name: other,").replace("name: backend", "name: missing");
    let read = read(&format!("{OBJECTS}---{other}"), &Declarations::default(), Instant::now());
    let names: Vec<_> = read.analyses().map(|(name, _)| name.to_string()).collect();
    assert_eq!(names, ["hello/p"]);
}

#[test]
fn what_was_read_of_another_generation_says_nothing_of_this_one() {
    let of = |generation: i64| OBJECTS.replace("{name: p,", &format!("{{name: p, uid: u, generation: {generation},"));
    let declared = read(&of(3), &Declarations::default(), Instant::now());
    assert!(declared.analysis(&name(), ("u", 3)).is_some());
    assert!(declared.analysis(&name(), ("u", 4)).is_none());
    assert!(declared.analysis(&name(), ("v", 3)).is_none());
}
