//! A Go that is new enough for Kubernetes and Cilium. Debian 12's is not: but any Go can fetch a newer one as a module.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::{go, run, tools};

/// What Cilium 1.20 and Gateway API 1.6 ask for.
const LEAST: (u32, u32) = (1, 26);
/// The one that is fetched where there is none.
const VERSION: &str = "1.26.8";

/// What `go mod download -json` says of a module.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Download {
    dir: Option<PathBuf>,
    error: Option<String>,
}

/// `go`, ready for one of our modules: nothing of the environment changes what it builds.
pub(super) fn command() -> Result<Command> {
    Ok(clean(&binary()?))
}

/// The folder of a module in Go's own cache, downloaded if need be. Go checks it against its checksum database.
pub(super) fn module(path: &str, version: &str) -> Result<PathBuf> {
    download(&binary()?, &format!("{path}@{version}"))
}

fn binary() -> Result<PathBuf> {
    let own = tools().join(format!("go-{VERSION}"));
    let found = [go::FOUND.map(PathBuf::from).to_vec(), vec![own.join("bin/go")]].concat();
    if let Some(new) = found.into_iter().find(|go| version(go).is_some_and(|version| version >= LEAST)) {
        return Ok(new);
    }
    let old = go::go().map_or_else(go::install_go, Ok)?;
    println!(
        "setup: fetching Go {VERSION} as a module (builds Kubernetes; this machine has no Go of {}.{})",
        LEAST.0, LEAST.1
    );
    let dir = download(&old, &format!("golang.org/toolchain@v0.0.1-go{VERSION}.linux-{}", architecture()?))?;
    // A module's files are never executable; a newer Go does the same with the toolchains that it fetches itself.
    executable(&dir.join("bin"))?;
    executable(&dir.join("pkg/tool"))?;
    link(&dir, &own)?;
    let go = own.join("bin/go");
    ensure!(version(&go).is_some(), "{} does not run: remove {} and try again", go.display(), dir.display());
    Ok(go)
}

/// Points a name in our folder at a folder of Go's cache.
pub(super) fn link(dir: &Path, name: &Path) -> Result<()> {
    fs::create_dir_all(tools())?;
    let _ = fs::remove_file(name);
    symlink(dir, name).with_context(|| name.display().to_string())
}

fn clean(go: &Path) -> Command {
    let mut command = Command::new(go);
    // An old Go takes no module for granted; a new one must not go looking for yet another one.
    command.env("GO111MODULE", "on").env("GOTOOLCHAIN", "local").env("GOFLAGS", "").env("GOWORK", "off");
    command.env_remove("CGO_ENABLED").env_remove("GOROOT");
    command
}

fn download(go: &Path, module: &str) -> Result<PathBuf> {
    // Outside any module, or Go would look at that one's requirements.
    let scratch = tools().join("no-module");
    fs::create_dir_all(&scratch)?;
    let mut command = clean(go);
    let output = command.args(["mod", "download", "-json", module]).current_dir(&scratch).output();
    let output = output.with_context(|| format!("{} cannot be run", go.display()))?;
    let told = String::from_utf8_lossy(&output.stderr);
    let answer: Download =
        serde_json::from_slice(&output.stdout).with_context(|| format!("go mod download {module}: {}", told.trim()))?;
    if let Some(error) = answer.error {
        anyhow::bail!("Go module {module} cannot be had: {error} (see `go env GOPROXY`)");
    }
    answer.dir.with_context(|| format!("go mod download {module}: {}", told.trim()))
}

fn version(go: &Path) -> Option<(u32, u32)> {
    let output =
        Command::new(go).args(["env", "GOVERSION"]).env("GOTOOLCHAIN", "local").current_dir("/").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let mut numbers = text.trim().strip_prefix("go")?.split(['.', 'r', 'b', '-', ' ']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn architecture() -> Result<&'static str> {
    match std::env::consts::ARCH {
        "x86_64" => Ok("amd64"),
        "aarch64" => Ok("arm64"),
        other => anyhow::bail!("no Go is known for {other}: install Go {}.{} or newer", LEAST.0, LEAST.1),
    }
}

fn executable(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| dir.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            executable(&path)?;
        } else {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
                .with_context(|| path.display().to_string())?;
        }
    }
    Ok(())
}

/// `go build` in one of our modules (`xtask/go/NAME`), silent but for errors.
pub(super) fn build(module: &str, arguments: &[&str], out: &Path) -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("go").join(module);
    let mut command = command()?;
    command.current_dir(&folder).args(["build", "-trimpath", "-mod=readonly", "-buildvcs=false"]).arg("-o").arg(out);
    run(command.args(arguments))
}
