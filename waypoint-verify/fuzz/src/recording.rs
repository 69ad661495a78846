//! Recordings: what is read says the same when it is written and read again, what was changed in any place is refused, and no
//! evidence makes a judge panic.

use std::sync::LazyLock;

use waypoint_verify::evidence::Evidence;
use waypoint_verify::inventory::{Inventory, compile_all};
use waypoint_verify::judge::Explain;
use waypoint_verify::manifest::read_str;
use waypoint_verify::model::WatchList;
use waypoint_verify::recording::{Begin, Command, End, Reader, Writer, for_the_judge, replay};

use crate::{Disagreement, demand, policy, settle};

const POLICY: &str = include_str!("../../tests/testdata/policy.yaml");
const CLUSTER: &str = include_str!("../../tests/testdata/cluster/cluster.yaml");

/// All that a recording holds.
pub type Content = (Begin, Vec<Evidence>, End);

/// The first octet chooses between a file and evidence of which a file is made.
pub fn target(octets: &[u8]) {
    let Some((mode, rest)) = octets.split_first() else { return };
    if mode.is_multiple_of(2) {
        settle(file(rest));
    } else if let Some((place, rest)) = rest.split_first_chunk::<2>() {
        settle(evidence(rest, u16::from_le_bytes(*place).into()));
    }
}

fn file(octets: &[u8]) -> Result<(), Disagreement> {
    let Some(content) = read(octets) else { return Ok(()) };
    judged(octets)?;
    let again = read(&written(&content));
    same(&content, again.as_ref())
}

/// `place`: where an octet is changed.
fn evidence(octets: &[u8], place: usize) -> Result<(), Disagreement> {
    let content = (begin(), pieces(octets), End::default());
    let mut file = written(&content);
    same(&content, read(&file).as_ref())?;
    judged(&file)?;
    let place = place % file.len();
    file[place] ^= 0x20;
    demand!(read(&file).is_none(), "octet {place} of {} was changed, and it was read", file.len());
    file[place] ^= 0x20;
    file.truncate(place);
    demand!(read(&file).is_none(), "cut off before octet {place}, it was read");
    Ok(())
}

/// As many pieces of evidence as the octets are.
pub fn pieces(mut octets: &[u8]) -> Vec<Evidence> {
    let mut pieces = Vec::new();
    while let Ok((piece, rest)) = postcard::take_from_bytes(octets) {
        pieces.push(piece);
        octets = rest;
    }
    pieces
}

fn begin() -> Begin {
    static WATCH: LazyLock<WatchList> = LazyLock::new(|| {
        let (objects, _) = read_str("cluster.yaml", CLUSTER);
        let (policies, _) = policy::read(POLICY);
        for_the_judge(&compile_all(&policies, &Inventory::from_objects(objects).0).watch)
    });
    Begin {
        program: "0.0.0".into(),
        command: Command::Gate,
        began: 1,
        min_verified: 1,
        limits: (16, 16),
        uncovered_nodes: Vec::new(),
        redacted: false,
        sources: Vec::new(),
        watch: WATCH.clone(),
    }
}

pub fn written((begin, evidence, end): &Content) -> Vec<u8> {
    let writer = Writer::begin(Vec::new(), begin).and_then(|mut writer| {
        evidence.iter().try_for_each(|piece| writer.evidence(piece))?;
        writer.end(end)
    });
    writer.expect("what was read fits").0
}

pub fn read(octets: &[u8]) -> Option<Content> {
    let mut evidence = Vec::new();
    let (mut reader, begin) = Reader::open(octets).ok()?;
    let end = reader.evidence(|piece| {
        evidence.push(piece);
        Ok(())
    });
    Some((begin, evidence, end.ok()?))
}

pub fn same(content: &Content, again: Option<&Content>) -> Result<(), Disagreement> {
    let Some(again) = again else { return Err(Disagreement("written again, it is not read".into())) };
    // Times to a verdict may be no numbers in a file of somebody else's.
    demand!(format!("{content:?}") == format!("{again:?}"), "{content:?}\nwritten and read again: {again:?}");
    Ok(())
}

/// Twice, and alike.
fn judged(octets: &[u8]) -> Result<(), Disagreement> {
    let once = || {
        let mut said = Vec::new();
        let replayed = replay(octets, Explain::Everything, |judged| {
            said.extend(judged.drain(..).map(|judged| format!("{judged:?}")));
            Ok(())
        });
        replayed.map(|replayed| (said, serde_json::to_string(&replayed.summary.policies).ok()))
    };
    let (one, other) = (once(), once());
    let (one, other) = (one.map_err(|why| why.to_string()), other.map_err(|why| why.to_string()));
    demand!(one == other, "{one:?}\njudged once more: {other:?}");
    demand!(one.is_ok(), "what is read cannot be judged: {one:?}");
    Ok(())
}
