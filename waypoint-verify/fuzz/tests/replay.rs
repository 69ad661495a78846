//! Every file of every corpus through every target: what fuzzing once found stays found.

use std::path::{Path, PathBuf};

use waypoint_verify_fuzz::TARGETS;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn every_file_of_every_corpus_passes_every_target() {
    for corpus in names(&folder("corpus")) {
        for file in names(&folder("corpus").join(&corpus)) {
            let octets = std::fs::read(folder("corpus").join(&corpus).join(&file)).unwrap();
            for target in TARGETS {
                // Shown only when the target panics.
                println!("target {}, corpus/{corpus}/{file}", target.name);
                (target.run)(&octets);
            }
        }
    }
}

#[test]
fn every_target_has_a_program_and_a_small_corpus_and_nothing_else_has() {
    let mut targets: Vec<_> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    targets.sort();
    assert_eq!(names(&folder("corpus")), targets);
    let programs: Vec<_> = targets.iter().map(|target| format!("{target}.rs")).collect();
    assert_eq!(names(&folder("mains")), programs);
    for target in &targets {
        let corpus = folder("corpus").join(target);
        let files = names(&corpus);
        assert!((1..100).contains(&files.len()), "{target}: {} files", files.len());
        for file in files {
            assert!(std::fs::metadata(corpus.join(&file)).unwrap().len() <= 8192, "{target}/{file}");
        }
    }
}
