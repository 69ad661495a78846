//! The attack lab: every attack is answered as its file says, and the score holds. Needs root and the real proxies.

use xtask::attack::{self, Score, Setting};
use xtask::demo;
use xtask::lab::privileged::available;

#[test]
fn every_attack_is_answered_as_its_file_expects() {
    if !available("every_attack_is_answered_as_its_file_expects") {
        return;
    }
    demo::build().unwrap();
    let daily: Vec<_> = attack::ALL.iter().filter(|attack| attack.setting != Setting::Long).copied().collect();
    let mut wrong = Vec::new();
    let mut score = Score::default();
    attack::run(&daily, |row| {
        println!("{row}");
        score.add(&row.score);
        wrong.extend(row.wrong.iter().map(|what| format!("{}: {what}", row.attack)));
        Ok(())
    })
    .unwrap();
    println!("\n{score}");
    assert!(wrong.is_empty(), "not as expected:\n{}", wrong.join("\n"));
    score.check().unwrap();
}

#[test]
fn names_of_attacks_are_unique_and_can_be_part_of_a_path() {
    let mut names: Vec<_> = attack::ALL.iter().map(|attack| attack.name).collect();
    assert!(names.iter().all(|name| name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')));
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
}
