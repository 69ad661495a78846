//! The true cause is never excluded, and genuine traffic is always paid for: random requests through what Envoy and
//! Caddy do (facts.md J), at random times.

use std::net::IpAddr;

use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::link::testing::{
    Caddy, Envoy, GuardsExt, Request, Scene, Via, envoy_retry, gateway, request, set, waypoint,
};
use crate::model::{Appends, ForwardedFor, Guards, MessageKey, Touch};

const MS: u64 = 1_000_000;

/// One request's life, in milliseconds after it entered.
#[derive(Clone, Debug)]
struct Life {
    request: Request,
    peer: IpAddr,
    enters: u64,
    /// When each attempt departs, as a share of the exchange.
    attempts: Vec<Index>,
    lasts: u64,
    /// Its connection closes without an answer.
    cut: bool,
    /// A mirrored copy departs that long after the end.
    mirrored: Option<u64>,
    route: Index,
    /// The departure's head is told that much later than it began.
    told_late: u64,
}

/// Something that a route does, and what the guards say of it.
type Route = (Envoy, fn(Guards) -> Guards);

fn routes() -> Vec<Route> {
    let pair = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    vec![
        (Envoy::default(), |guards| guards),
        (Envoy { path: Some("/a".into()), ..Envoy::default() }, |guards| guards.rewriting_path(set("/a"))),
        (Envoy { prefix: Some(("/a".into(), "/b".into())), ..Envoy::default() }, |guards| {
            guards.rewriting_path(Touch::Prefix("/b".into()))
        }),
        (Envoy { host: Some("inner".into()), ..Envoy::default() }, |guards| guards.rewriting_authority(set("inner"))),
        (Envoy { set: pair("x-forwarded-for", "10.0.0.1"), ..Envoy::default() }, |guards| {
            guards.touching("x-forwarded-for", set("10.0.0.1"))
        }),
        (Envoy { add: pair("x-forwarded-for", "10.0.0.2"), ..Envoy::default() }, |guards| {
            guards.touching("x-forwarded-for", Touch::Add("10.0.0.2".into()))
        }),
        (Envoy { remove: vec!["x-forwarded-for".into()], ..Envoy::default() }, |guards| {
            guards.touching("x-forwarded-for", Touch::Remove)
        }),
        (Envoy { set: pair("traceparent", TRACES[0]), ..Envoy::default() }, |guards| {
            guards.touching("traceparent", set(TRACES[0]))
        }),
        (Envoy { remove: vec!["traceparent".into()], ..Envoy::default() }, |guards| {
            guards.touching("traceparent", Touch::Remove)
        }),
        (Envoy { set: pair("x-a", "1"), ..Envoy::default() }, |guards| guards.touching("x-a", set("1"))),
        (Envoy { add: pair("accept", "b/b"), remove: vec!["cookie".into()], ..Envoy::default() }, |guards| {
            guards.touching("accept", Touch::Add("b/b".into())).touching("cookie", Touch::Remove)
        }),
    ]
}

const TRACES: [&str; 2] = [
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-b7ad6b7169203331-01",
];

fn requests() -> impl Strategy<Value = Request> {
    let line =
        select(vec!["GET /a", "GET /b?q=1", "POST /a", "GET //x/../%2f\"{}", "GET /caf\u{e9}%2Fx", "GET /a/b?c={d}"]);
    let host = select(vec!["hello", "hello:80", "inner", "hello-shadow"]);
    let field = prop_oneof![
        2 => select(vec![TRACES[0], TRACES[1], "unusable", ""]).prop_map(|value| ("Traceparent", value)),
        2 => select(vec!["10.0.0.1", " 1.1.1.1,2.2.2.2 ,  3.3.3.3:99", "a,,b, ", "", ",", "::ffff:10.0.0.1", "10.244.1.250"])
            .prop_map(|value| ("X-Forwarded-For", value)),
        1 => select(vec!["close", "keep-alive, Upgrade", "traceparent", "X-A, x-none", "cookie,Accept", "X-Forwarded-For"])
            .prop_map(|value| ("Connection", value)),
        4 => (
            select(vec!["X-A", "x-a", "Accept", "ACCEPT", "Cookie", "X_Under", "User-Agent", "Accept-Encoding", "TE", "Expect", "Via"]),
            select(vec!["1", "a , b", "a=1; b=2", "", " x  y ", "\u{e9}"]),
        ),
    ];
    (line, host, prop::collection::vec(field, 0..7)).prop_map(|(line, host, fields)| {
        fields.into_iter().fold(request(line).host(host), |request, (name, value)| request.with(name, value))
    })
}

fn lives(loopback: bool) -> impl Strategy<Value = Vec<Life>> {
    let mut peers = vec!["10.0.0.1", "10.0.0.2", "::ffff:10.0.0.1", "fd99::1"];
    peers.extend(loopback.then_some(["127.0.0.1", "::1"]).into_iter().flatten());
    let peer = select(peers).prop_map(|peer| peer.parse().expect("address"));
    let timing = (0..40u64, prop::collection::vec(any::<Index>(), 1..4), 1..60u64, prop::bool::weighted(0.2));
    let rest = (prop::option::weighted(0.3, 0..2_600u64), any::<Index>(), prop_oneof![3 => Just(0), 1 => 1..8u64]);
    let life = (requests(), peer, timing, rest).prop_map(
        |(request, peer, (enters, attempts, lasts, cut), (mirrored, route, told_late))| Life {
            request,
            peer,
            enters,
            attempts,
            lasts,
            cut,
            mirrored,
            route,
            told_late,
        },
    );
    prop::collection::vec(life, 1..10)
}

enum What {
    Enters,
    Began(usize, Request),
    Told(usize),
    Ends,
}

/// Plays all lives; every departure is linked with its cause, and everything that was counted is paid for.
fn play(
    guards: &Guards,
    lives: &[Life],
    mut departures: impl FnMut(usize, &Life) -> Vec<(u64, Request)>,
) -> Result<(), TestCaseError> {
    let mut timeline: Vec<(u64, usize, usize, What)> = Vec::new();
    for (at, life) in lives.iter().enumerate() {
        timeline.push((life.enters * MS, 0, at, What::Enters));
        timeline.push(((life.enters + life.lasts) * MS, 3, at, What::Ends));
        for (number, (after, made)) in departures(at, life).into_iter().enumerate() {
            let began = life.enters * MS + after + 1;
            timeline.push((began, 1, at, What::Began(number, made)));
            timeline.push((began + life.told_late * MS, 2, at, What::Told(number)));
        }
    }
    timeline.sort_by_key(|(when, step, at, _)| (*when, *step, *at));
    let mut scene = Scene::of(guards);
    let start = scene.ns;
    let mut drained = start;
    let mut causes: Vec<Option<MessageKey>> = vec![None; lives.len()];
    let mut begun: std::collections::BTreeMap<(usize, usize), (u64, Request)> = Default::default();
    let mut counted = std::collections::BTreeSet::new();
    for (when, _, at, what) in timeline {
        // A drain every 2 ms; what is told later than it began was not whole then.
        while drained + 2 * MS < start + when {
            scene.ns = scene.ns.max(drained + 2 * MS);
            drained = scene.ns;
            scene.passes(0);
        }
        scene.ns = scene.ns.max(start + when);
        match what {
            What::Enters => causes[at] = Some(scene.enters(&lives[at].request, &lives[at].peer.to_string())),
            What::Began(number, made) => {
                scene.order += 1;
                begun.insert((at, number), (scene.order, made));
            }
            What::Told(number) => {
                let Some((order, made)) = begun.remove(&(at, number)) else { continue };
                let (key, link) = scene.departs_late(&made, order);
                let cause = causes[at].expect("it entered");
                prop_assert!(
                    link.candidates.contains(&cause),
                    "{:?}\nmade of {:?}\nlinked {:?}",
                    made,
                    lives[at],
                    link
                );
                prop_assert_eq!(link.wild, None);
                if link.counted {
                    counted.insert(key);
                }
            }
            What::Ends => {
                let key = causes[at].expect("it entered");
                if lives[at].cut { scene.closed(key) } else { scene.answered(key) }
            }
        }
    }
    scene.passes(3_000);
    prop_assert_eq!(scene.overdrawn(), Default::default());
    prop_assert_eq!(scene.settled(), counted);
    prop_assert!(!scene.linker.unsettled() && scene.linker.is_empty());
    Ok(())
}

fn moment(life: &Life, index: &Index) -> u64 {
    // A little after the answer is still within the slack; a closed connection leaves far more of it.
    let room = if life.cut { life.lasts + 1_500 } else { life.lasts + 4 };
    index.index(usize::try_from(room * 10).expect("small")) as u64 * MS / 10
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn the_true_cause_is_never_excluded_in_envoy(lives in lives(true), used in prop::collection::vec(any::<Index>(), 0..5)) {
        let all = routes();
        let mut active: Vec<&Route> = vec![&all[0]];
        active.extend(used.iter().map(|index| index.get(&all)));
        let guards = active.iter().fold(gateway().mirroring(), |guards, (_, touch)| touch(guards));
        play(&guards, &lives, |number, life| {
            let envoy = Envoy { serial: number as u32, ..life.route.get(&active).0.clone() };
            let made = envoy.forward(&life.request, life.peer);
            let mut moments: Vec<u64> = life.attempts.iter().map(|index| moment(life, index)).collect();
            moments.sort_unstable();
            let attempts = moments.into_iter().zip(0..).map(|(after, n)| (after, envoy_retry(&made, n)));
            let copy = life.mirrored.map(|after| ((life.lasts + after) * MS, envoy.copy(&made)));
            attempts.chain(copy).collect()
        })?;
    }

    #[test]
    fn the_true_cause_is_never_excluded_in_caddy(
        lives in lives(true),
        declared in prop::collection::btree_set(select(vec!["traceparent", "x-a", "cookie", "x-request-id"]), 0..3),
        traces in any::<bool>(),
        forwarded_for in select(vec![ForwardedFor::Replaces, ForwardedFor::Unknown]),
        preserves in any::<(bool, bool, bool)>(),
    ) {
        let kept = |keeps: bool| keeps.then(Default::default);
        let guards = Guards {
            forwarded_for, method: kept(preserves.0), path: kept(preserves.1), authority: kept(preserves.2), ..waypoint()
        };
        let guards = declared.iter().fold(guards, |guards, name| guards.correlated_by(name));
        play(&guards, &lives, |number, life| {
            let caddy = Caddy { traces, serial: number as u32 };
            let made = caddy.through(&life.request, life.peer);
            vec![(moment(life, &life.attempts[0]), made)]
        })?;
    }

    #[test]
    fn the_true_cause_is_never_excluded_where_appending_is_declared(lives in lives(false)) {
        let guards = Guards { forwarded_for: ForwardedFor::Appends(Appends::Declared), ..waypoint() };
        play(&guards, &lives, |number, life| {
            let made = Envoy { serial: number as u32, ..Envoy::default() }.through(&life.request, life.peer);
            vec![(moment(life, &life.attempts[0]), made)]
        })?;
    }
}
