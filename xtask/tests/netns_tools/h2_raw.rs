//! The HTTP/2 client of frames.

use xtask::lab::{Lab, Topology, Variant, privileged};
use xtask::tools;
use xtask::tools::h2_raw::{Field, Frame, H2Raw, Headers, How, Report, Step, kind};

fn get(stream: u32) -> Headers {
    Headers::request(stream, "GET", &format!("/h2/{stream}"))
}

#[test]
fn frames_are_answered_by_the_backend_and_through_the_path() {
    if !privileged::available("frames_are_answered_by_the_backend_and_through_the_path") {
        return;
    }
    let mut lab = Lab::up(&Topology::standard()).unwrap();
    let backend = lab.pod("hello-backend-1").unwrap();
    let gateway = lab.gateway("hello-gateway").unwrap();
    let place = lab.client("client-1").unwrap();
    let run = |name: &str, script: H2Raw| -> Report {
        tools::run(&place, &script).unwrap_or_else(|error| panic!("{name}: {error:#}"))
    };
    let mut padded = get(1);
    padded.padding = Some(9);
    padded.priority = true;
    let mut resized = get(3);
    resized.table_sizes = vec![0, 4096];
    let post = Headers::request(1, "POST", "/upload").open();
    let trailers = Headers { stream: 1, end_stream: true, ..Headers::default() }.fields(&[("x-trailer", "1")]);
    let data = |end| Step::Data { stream: 1, data: vec![b'x'; 100], end, padding: Some(3) };
    let rows: Vec<(&str, Vec<Step>, Vec<u32>)> = vec![
        ("one request", vec![Step::Headers(get(1))], vec![1]),
        ("one octet in each CONTINUATION", vec![Step::Headers(get(1).split(1))], vec![1]),
        ("padding and priority", vec![Step::Headers(padded)], vec![1]),
        (
            "many streams at once",
            (0..50).map(|n| Step::Headers(get(2 * n + 1))).collect(),
            (0..50).map(|n| 2 * n + 1).collect(),
        ),
        (
            "every representation",
            vec![
                Step::Headers(get(1)),
                Step::Headers(get(3).how(How::Literal)),
                Step::Headers(get(5).how(How::NeverIndexed)),
                Step::Headers(get(7).how(How::Indexed)),
            ],
            vec![1, 3, 5, 7],
        ),
        (
            "a table that is emptied",
            vec![Step::Headers(get(1)), Step::Headers(resized), Step::Headers(get(5))],
            vec![1, 3, 5],
        ),
        ("body and trailers", vec![Step::Headers(post.clone()), data(false), Step::Headers(trailers)], vec![1]),
        (
            "a reset between",
            vec![Step::Headers(get(1).open()), Step::Frame(Frame::reset(1, 8)), Step::Headers(get(3))],
            vec![3],
        ),
    ];
    for (name, steps, streams) in rows {
        for to in [backend, gateway] {
            let all = steps.iter().cloned().chain([Step::Answered(streams.clone())]);
            let report = run(name, H2Raw::new(to, all));
            for stream in &streams {
                let answer = &report.streams[stream];
                assert_eq!(answer.status, 200, "{name} to {to}: {report:?}");
                if name != "body and trailers" {
                    assert_eq!(answer.header("x-lab-uri"), Some(format!("/h2/{stream}").as_str()), "{name} to {to}");
                }
            }
        }
    }

    let upgraded = run(
        "upgrade",
        H2Raw::new(backend, [Step::Answered(vec![1]), Step::Headers(get(3)), Step::Answered(vec![3])])
            .start(H2Raw::upgrade("/first")),
    );
    assert_eq!(upgraded.streams[&1].header("x-lab-uri"), Some("/first"), "{upgraded:?}");
    assert_eq!(upgraded.streams[&3].status, 200);

    let twice = Field { name: ":path".to_owned(), value: "/b".to_owned(), how: How::Literal };
    let mut malformed = get(1);
    malformed.fields.push(twice);
    let refused = run("two paths", H2Raw::new(backend, [Step::Headers(malformed), Step::Answered(vec![1])]));
    assert!(refused.streams[&1].reset.is_some() || refused.streams[&1].status == 400, "{refused:?}");
    let broken = Step::Frame(Frame::new(kind::CONTINUATION, 4, 1, [0x82]));
    let ended = run("a stray CONTINUATION", H2Raw::new(backend, [broken, Step::Ended]));
    assert!(ended.go_away.is_some() && ended.closed, "{ended:?}");

    // All the way by HTTP/2, where the waypoint passes it on so.
    for pod in ["hello-waypoint-1", "hello-waypoint-2"] {
        lab.restart(pod, "caddy", Variant::H2c).unwrap();
    }
    let report = run("h2 all the way", H2Raw::new(gateway, [Step::Headers(get(1)), Step::Answered(vec![1])]));
    assert_eq!(report.streams[&1].header("x-lab-protocol"), Some("HTTP/2.0"), "{report:?}");
    lab.down().unwrap();
}
