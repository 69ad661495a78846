//! Doing things in a network namespace: `ip`, `nft`, sysctls.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use nix::sched::{CloneFlags, setns};

pub fn path(name: &str) -> PathBuf {
    Path::new("/run/netns").join(name)
}

pub fn open(name: &str) -> Result<OwnedFd> {
    let path = path(name);
    Ok(File::open(&path).with_context(|| format!("{}: no such network namespace", path.display()))?.into())
}

/// Runs the lines as one `ip` process, inside a namespace or outside of any.
pub fn ip_batch(netns: Option<&str>, script: &str) -> Result<()> {
    // Lines may carry a family option of their own, which `-batch` does not read.
    let (plain, v6) = split_families(script);
    for (family, script) in [(None, plain), (Some("-6"), v6)] {
        if script.is_empty() {
            continue;
        }
        let mut command = Command::new("ip");
        command.args(netns.iter().flat_map(|netns| ["-n", netns])).args(family).args(["-batch", "-"]);
        feed(command, &script).with_context(|| format!("ip in {}", netns.unwrap_or("the host's namespace")))?;
    }
    Ok(())
}

fn split_families(script: &str) -> (String, String) {
    let (mut plain, mut v6) = (String::new(), String::new());
    for line in script.lines() {
        let (into, line) = match line.strip_prefix("-6 ") {
            Some(rest) => (&mut v6, rest),
            None => (&mut plain, line.strip_prefix("-4 ").unwrap_or(line)),
        };
        into.push_str(line);
        into.push('\n');
    }
    (plain, v6)
}

pub fn nft(netns: &str, rules: &str) -> Result<()> {
    let mut command = Command::new("nft");
    command.args(["-f", "-"]);
    enter(&mut command, open(netns)?);
    feed(command, rules).with_context(|| format!("nft in {netns}"))
}

/// Makes the child start in this namespace.
pub fn enter(command: &mut Command, netns: OwnedFd) {
    let join = move || setns(&netns, CloneFlags::CLONE_NEWNET).map_err(std::io::Error::from);
    // SAFETY: setns is async-signal-safe; the closure allocates nothing.
    unsafe { command.pre_exec(join) };
}

/// Sets `net/NAME` for each name; `*` stands for all devices.
pub fn sysctl(name: &str, settings: &[(&str, &str)]) -> Result<()> {
    let netns = open(name)?;
    // /proc/sys/net shows the namespace of the thread that looks.
    std::thread::scope(|threads| {
        let set = threads.spawn(|| -> Result<()> {
            setns(&netns, CloneFlags::CLONE_NEWNET)?;
            settings.iter().try_for_each(|(name, value)| set_one(name, value))
        });
        set.join().expect("setting a sysctl does not panic")
    })
    .with_context(|| format!("sysctls of namespace {name}"))
}

fn set_one(name: &str, value: &str) -> Result<()> {
    let base = Path::new("/proc/sys/net");
    let paths = match name.split_once("/*/") {
        None => vec![base.join(name)],
        Some((before, after)) => {
            let entries = fs::read_dir(base.join(before))?;
            entries.map(|entry| Ok(entry?.path().join(after))).collect::<Result<_>>()?
        }
    };
    paths.iter().try_for_each(|path| fs::write(path, value).with_context(|| path.display().to_string()))
}

/// Removes the namespaces whose names begin so.
pub fn remove_all(prefix: &str) -> Result<()> {
    let Ok(entries) = fs::read_dir("/run/netns") else { return Ok(()) };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let script: String =
        names.filter(|name| name.starts_with(prefix)).map(|name| format!("netns delete {name}\n")).collect();
    if script.is_empty() { Ok(()) } else { ip_batch(None, &script) }
}

fn feed(mut command: Command, input: &str) -> Result<()> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let mut stdin = child.stdin.take().expect("piped above");
    stdin.write_all(input.as_bytes())?;
    drop(stdin);
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("{}\n{input}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
