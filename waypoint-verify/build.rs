//! Builds the kernel programs, and tells `probe` where the object is.
//!
//! In this order: the object that `WAYPOINT_VERIFY_EBPF_OBJECT` names (`none`: build without, `Probe::start` then
//! refuses); Debian's rustc-web with its prebuilt `core` for BPF; a rustup nightly with rust-src.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const PACKAGE: &str = "waypoint-verify-ebpf";
const BINARY: &str = "waypoint-verify-probe";
const OBJECT: &str = "WAYPOINT_VERIFY_EBPF_OBJECT";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";

fn main() {
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")).join("..");
    let out = PathBuf::from(variable("OUT_DIR"));
    println!("cargo::rerun-if-env-changed={OBJECT}");
    println!("cargo::rerun-if-changed=build.rs");
    for path in ["waypoint-verify-ebpf/src", "waypoint-verify-ebpf/Cargo.toml"] {
        println!("cargo::rerun-if-changed={}", root.join(path).display());
    }
    let object = out.join(BINARY);
    match env::var_os(OBJECT) {
        Some(none) if none == "none" => fs::write(&object, []).expect("OUT_DIR is writable"),
        Some(prebuilt) => {
            println!("cargo::rerun-if-changed={}", Path::new(&prebuilt).display());
            if let Err(error) = fs::copy(&prebuilt, &object) {
                fail(&format!("{OBJECT}={}: {error}", Path::new(&prebuilt).display()));
            }
        }
        None => build(&root, &out, &object),
    }
    println!("cargo::rustc-env=WAYPOINT_VERIFY_PROBE={}", object.display());
}

fn build(root: &Path, out: &Path, object: &Path) {
    let target = match variable("CARGO_CFG_TARGET_ENDIAN").to_str() {
        Some("big") => "bpfeb-unknown-none",
        _ => "bpfel-unknown-none",
    };
    let mut cargo = debian(target).or_else(nightly).unwrap_or_else(|| {
        fail(&format!(
            "no compiler for {target}: run `cargo xtask setup`. It needs one of\n\
             - Debian's rustc-web, cargo-web and libstd-rust-web-dev-bpf (/usr/bin/rustc with a prebuilt core), or\n\
             - `rustup toolchain install nightly --component rust-src`\n\
             or set {OBJECT} to a prebuilt object, or to `none`"
        ))
    });
    if Command::new("bpf-linker").arg("--version").output().is_err() {
        fail(
            "bpf-linker is not in PATH: run `cargo xtask setup`, or\n\
             LLVM_PREFIX=/usr/lib/llvm-22 RUSTFLAGS='-L /usr/lib/llvm-22/lib' cargo install bpf-linker --version 0.13.0",
        );
    }
    let target_dir = out.join("ebpf");
    cargo
        .args(["build", "--quiet", "--release", "--package", PACKAGE, "--bin", BINARY])
        .args(["--no-default-features", "--features", "kernel", "--target", target])
        .arg("--manifest-path")
        .arg(root.join("Cargo.toml"))
        .env("CARGO_TARGET_DIR", &target_dir)
        .env("CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER", "bpf-linker")
        .env("CARGO_TARGET_BPFEB_UNKNOWN_NONE_LINKER", "bpf-linker")
        .env("AYA_BPF_TARGET_ARCH", variable("CARGO_CFG_TARGET_ARCH"))
        .env("CARGO_ENCODED_RUSTFLAGS", "-Cdebuginfo=2\x1f-Clink-arg=--btf");
    let output = cargo.output().unwrap_or_else(|error| fail(&format!("{cargo:?}: {error}")));
    if !output.status.success() {
        fail(&format!("{cargo:?}\n{}", String::from_utf8_lossy(&output.stderr)));
    }
    let built = target_dir.join(target).join("release").join(BINARY);
    if let Err(error) = fs::copy(&built, object) {
        fail(&format!("{}: {error}", built.display()));
    }
}

/// Debian's packages: a stable compiler that is told to accept aya-ebpf's feature gates.
fn debian(target: &str) -> Option<Command> {
    let core = sysroot(&mut clean(DEBIAN_RUSTC))?.join("lib/rustlib").join(target);
    if !core.is_dir() || !Path::new(DEBIAN_CARGO).exists() {
        return None;
    }
    let mut cargo = clean(DEBIAN_CARGO);
    cargo.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1");
    Some(cargo)
}

/// A rustup nightly that builds `core` itself.
fn nightly() -> Option<Command> {
    let sysroot = sysroot(clean("rustup").args(["run", "nightly", "rustc"]))?;
    if !sysroot.join("lib/rustlib/src/rust/library/core").is_dir() {
        return None;
    }
    let mut cargo = clean("rustup");
    cargo.args(["run", "nightly", "cargo", "-Zbuild-std=core"]);
    Some(cargo)
}

fn sysroot(rustc: &mut Command) -> Option<PathBuf> {
    let output = rustc.args(["--print", "sysroot"]).output().ok()?;
    output.status.success().then(|| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
}

/// A command without what the outer cargo set for *its* compiler, target and jobs.
fn clean(program: &str) -> Command {
    const KEPT: [&str; 4] = ["CARGO_HOME", "CARGO_NET_", "CARGO_HTTP_", "CARGO_REGISTR"];
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        let Some(name) = name.to_str() else { continue };
        let of_the_outer_build = ["CARGO", "RUSTC", "RUSTDOC", "RUSTFLAGS", "CLIPPY", "DEP_", "MAKEFLAGS"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
            || ["OUT_DIR", "TARGET", "HOST", "PROFILE", "OPT_LEVEL", "DEBUG", "NUM_JOBS"].contains(&name)
            || ["RUSTUP_TOOLCHAIN", "LD_LIBRARY_PATH", "MFLAGS"].contains(&name);
        if of_the_outer_build && !KEPT.iter().any(|kept| name.starts_with(kept)) {
            command.env_remove(name);
        }
    }
    command
}

fn variable(name: &str) -> OsString {
    env::var_os(name).unwrap_or_else(|| fail(&format!("cargo did not set {name}")))
}

fn fail(why: &str) -> ! {
    for line in why.lines() {
        println!("cargo::error={line}");
    }
    std::process::exit(1);
}
