//! The machine on which figures were taken: figures mean little without it.

use std::fmt;
use std::fs;
use std::path::Path;

/// What matters of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// Cores that this process may use.
    pub cores: usize,
    /// Their model, as the kernel names it.
    pub cpu: String,
    /// The kernel's release.
    pub kernel: String,
    /// Type of the file system that the host writes to.
    pub file_system: String,
}

impl Environment {
    /// Looks around; `folder` is where the host writes.
    pub fn look(folder: &Path) -> Self {
        let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            cpu: cpu_model(&read("/proc/cpuinfo")).unwrap_or("unknown CPU").to_owned(),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            file_system: file_system(&read("/proc/mounts"), &folder)
                .unwrap_or("unknown")
                .to_owned(),
        }
    }

    /// Whether what is written there survives the loss of power at all.
    pub fn is_durable(&self) -> bool {
        !matches!(self.file_system.as_str(), "tmpfs" | "ramfs")
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cores, cpu, kernel, file_system } = self;
        write!(f, "{cores} cores, {cpu}, Linux {kernel}; ")?;
        if self.is_durable() {
            write!(f, "fsync before every answer, on {file_system}")
        } else {
            write!(
                f,
                "on {file_system}, where fsync does nothing: figures of the disk mean nothing"
            )
        }
    }
}

fn cpu_model(cpuinfo: &str) -> Option<&str> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(':').map(|(_, model)| model.trim())
}

/// Type of the file system with the longest mount point above the folder; of those, the last.
fn file_system<'a>(mounts: &'a str, folder: &Path) -> Option<&'a str> {
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let (point, kind) = (fields.next()?, fields.next()?);
        folder.starts_with(point).then_some((point.len(), kind))
    });
    mounts.max_by_key(|(length, _)| *length).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_system_is_that_of_the_innermost_mount() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/b /tmp/disk xfs rw 0 0\n";
        for (folder, kind) in
            [("/home/x", "ext4"), ("/tmp/x", "tmpfs"), ("/tmp/disk/x", "xfs"), ("/tmpx", "ext4")]
        {
            assert_eq!(file_system(mounts, Path::new(folder)), Some(kind), "{folder}");
        }
        assert_eq!(file_system("", Path::new("/")), None);
    }

    #[test]
    fn memory_that_looks_like_a_disk_is_told() {
        let environment = Environment { file_system: "tmpfs".into(), ..Environment::default() };
        assert!(environment.to_string().contains("fsync does nothing"));
        let environment = Environment { file_system: "ext4".into(), ..Environment::default() };
        assert!(environment.to_string().contains("fsync before every answer"));
    }

    #[test]
    fn the_processor_is_named() {
        assert_eq!(cpu_model("a : b\nmodel name\t: Fast One\n"), Some("Fast One"));
        assert_eq!(cpu_model(""), None);
    }
}
