//! Where things are, and how the other tools are called.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// The target of guests, unless they say otherwise: of class *pure*.
pub(crate) const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// The target of guests of class *std*.
pub(crate) const STD_TARGET: &str = "wasm32-wasip2";

/// The project's folder and cargo, found once.
pub(crate) struct Workspace {
    /// The folder of the workspace's `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Where cargo builds, `CARGO_TARGET_DIR` heeded.
    pub(crate) target: PathBuf,
    /// The workspace's packages, as `cargo metadata` tells them.
    pub(crate) packages: Vec<Value>,
    offline: bool,
}

impl Workspace {
    /// Asks cargo; touches no network.
    pub(crate) fn find() -> Result<Self> {
        // Set by `cargo run`; it names this clone even if the binary was built in another.
        let here = std::env::var_os("CARGO_MANIFEST_DIR")
            .unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let manifest = Path::new(&here).join("../Cargo.toml");
        let output = Command::new(cargo_program())
            .args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"])
            .arg(&manifest)
            .output()
            .context("cannot run cargo")?;
        ensure!(
            output.status.success(),
            "cargo metadata: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata")?;
        let path = |name: &str| {
            metadata[name].as_str().map(PathBuf::from).with_context(|| format!("no `{name}`"))
        };
        let packages = metadata["packages"].as_array().cloned().unwrap_or_default();
        Ok(Self {
            root: path("workspace_root")?,
            target: path("target_directory")?,
            packages,
            offline: std::env::var("CARGO_NET_OFFLINE").is_ok_and(|value| value == "true"),
        })
    }

    /// From here on cargo must not use the network.
    pub(crate) fn go_offline(&mut self) {
        self.offline = true;
    }

    /// Whether cargo may use the network.
    pub(crate) fn is_offline(&self) -> bool {
        self.offline
    }

    /// A call of cargo in the project's folder.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(cargo_program());
        command.args(arguments).current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target);
        if self.offline {
            command.env("CARGO_NET_OFFLINE", "true");
        }
        command
    }

    /// A binary that the one build profile left behind.
    pub(crate) fn binary(&self, name: &str) -> PathBuf {
        self.target.join("debug").join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
    }
}

/// Runs a command to its end; its output goes where ours goes.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot run {}", describe(command)))?;
    if !status.success() {
        bail!("{} failed ({status})", describe(command));
    }
    Ok(())
}

/// The command as one would type it.
pub(crate) fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    std::iter::once(name)
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

/// A program on the `PATH`.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// The cargo that runs us, so that a `+toolchain` stays in force.
fn cargo_program() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}
