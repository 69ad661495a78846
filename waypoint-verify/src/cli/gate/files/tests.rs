use super::*;

fn wanted(text: &str) -> Wanted {
    text.parse().unwrap()
}

fn in_folder(folder: &Path, text: &str) -> Wanted {
    let (format, name) = text.split_once('=').unwrap();
    wanted(&format!("{format}={}", folder.join(name).display()))
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|one| one.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_format_and_a_file_are_read_and_anything_else_says_what_is_expected() {
    assert_eq!(wanted("sarif=a=b.json"), Wanted { format: Format::Sarif, path: "a=b.json".into() });
    for (text, says) in [
        ("junit", "junit=gate.xml"),
        ("junit=", "a file is expected"),
        ("=gate.xml", "is no format"),
        ("xml=gate.xml", "\"xml\" is no format: text, json, junit, sarif, openreports, github"),
    ] {
        let error = text.parse::<Wanted>().unwrap_err();
        assert!(error.contains(says), "{text}: {error}");
    }
}

#[test]
fn what_cannot_be_written_is_told_before_anything_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let old = folder.path().join("old.xml");
    fs::write(&old, "of an earlier run").unwrap();
    fs::create_dir(folder.path().join("sub")).unwrap();
    std::os::unix::fs::symlink(&old, folder.path().join("link")).unwrap();
    for (bad, says) in [
        ("junit=none/gate.xml", "make it first"),
        ("junit=sub", "something else than a file"),
        ("junit=link", "something else than a file"),
        ("junit=old.xml/gate.xml", "gate.xml"),
        ("sarif=sub/../old.xml", "two reports for one file"),
        ("sarif=..", "not the name of a file"),
    ] {
        let reports = [in_folder(folder.path(), "junit=old.xml"), in_folder(folder.path(), bad)];
        let error = format!("{:#}", Files::prepare(&reports).unwrap_err());
        assert!(error.contains(says), "{bad}: {error}");
        assert_eq!(fs::read_to_string(&old).unwrap(), "of an earlier run", "{bad}");
        assert_eq!(names(folder.path()), ["link", "old.xml", "sub"], "{bad}");
    }
}

#[test]
fn a_report_is_there_only_when_it_is_whole_and_an_old_one_never_stands_for_it() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("gate.xml"), "of an earlier run").unwrap();
    let reports = [in_folder(folder.path(), "junit=gate.xml"), in_folder(folder.path(), "sarif=gate.sarif")];
    let files = Files::prepare(&reports).unwrap();
    assert!(names(folder.path()).iter().all(|name| name.starts_with(".waypoint-verify-")));
    drop(files);
    assert!(names(folder.path()).is_empty(), "a gate that fails before leaves nothing");

    Files::prepare(&reports).unwrap().write(|format| Ok(format!("{format:?}"))).unwrap();
    assert_eq!(names(folder.path()), ["gate.sarif", "gate.xml"]);
    assert_eq!(fs::read_to_string(folder.path().join("gate.xml")).unwrap(), "Junit");
    let mode = fs::metadata(folder.path().join("gate.xml")).unwrap().permissions().mode();
    assert_eq!(mode & 0o600, 0o600);
    assert_ne!(mode & 0o044, 0, "whoever may read the folder may read it: {mode:o}");
}

#[test]
fn one_that_fails_costs_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let reports = [in_folder(folder.path(), "junit=gate.xml"), in_folder(folder.path(), "sarif=gate.sarif")];
    let files = Files::prepare(&reports).unwrap();
    // Somebody made a folder of it meanwhile.
    fs::create_dir(folder.path().join("gate.xml")).unwrap();
    let error = format!("{:#}", files.write(|_| Ok(String::new())).unwrap_err());
    assert!(error.contains("gate.xml") && !error.contains("gate.sarif"), "{error}");
    assert_eq!(names(folder.path()), ["gate.sarif", "gate.xml"]);
}
