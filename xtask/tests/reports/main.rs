//! Reports against the published schema of each format, and as readers that are not ours read them.

mod junit;
mod openreports;
mod outcomes;
mod real;
mod sarif;

use std::path::{Path, PathBuf};

use serde_json::Value;

use xtask::setup;

/// Where a test writes to.
fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("reports").join(test);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Whether the readers are installed; prints why not.
fn available(test: &str) -> bool {
    let lack = setup::report_readers().err().map(|error| format!("{error:#}"));
    xtask::lab::privileged::unless(test, lack)
}

/// What is wrong with a report by its schema, and what somebody else reads of it.
fn look(kind: &str, report: &Path, schema: &Path) -> (Vec<String>, Value) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reports/read.py");
    let output = setup::report_readers().unwrap().arg(script).arg(kind).args([report, schema]).output().unwrap();
    assert!(output.status.success(), "{}: {}", report.display(), String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    (serde_json::from_value(told["problems"].clone()).unwrap(), told["read"].clone())
}

/// What somebody else reads of a report, which is as its schema wants it.
fn read(kind: &str, report: &Path, schema: &Path) -> Value {
    let (problems, read) = look(kind, report, schema);
    assert!(problems.is_empty(), "{}: {problems:#?}", report.display());
    read
}

/// The text in a file of this name.
fn file(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}
