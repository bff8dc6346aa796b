//! The host as a process of our own: started, killed, started again, and watched through `/proc`.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::time::{Instant, sleep};

use crate::client::Client;

/// Linux counts CPU time in hundredths of a second for `/proc`, whatever the kernel ticks at.
const TICKS_PER_SECOND: f64 = 100.0;
/// How long starting may take, recovery included.
const START_MAX: Duration = Duration::from_secs(60);

/// A running host. It ends with this value.
#[derive(Debug)]
pub struct Node {
    zamu: PathBuf,
    folder: PathBuf,
    /// Of its environment.
    variables: Vec<(&'static str, String)>,
    /// Where it listens.
    pub address: SocketAddr,
    child: Child,
    /// Of the incarnations before this one.
    before: Usage,
}

/// What the host has used, all incarnations together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Seconds of CPU, in user and kernel mode.
    pub cpu_s: f64,
    /// Bytes that went to the disk.
    pub written: u64,
}

impl Node {
    /// Writes this configuration, which listens at `address`, into the folder as `zamu.toml` and
    /// starts the host on it, with these variables in its environment.
    ///
    /// # Errors
    /// When the file cannot be written or the host does not start.
    pub fn start(
        zamu: &Path,
        folder: &Path,
        configuration: &str,
        address: SocketAddr,
        variables: Vec<(&'static str, String)>,
    ) -> Result<Self> {
        let file = folder.join("zamu.toml");
        fs::write(&file, configuration)
            .with_context(|| format!("cannot write {}", file.display()))?;
        let child = spawn(zamu, folder, &variables)?;
        let zamu = zamu.to_owned();
        let folder = folder.to_owned();
        Ok(Self { zamu, folder, variables, address, child, before: Usage::default() })
    }

    /// Kills it with SIGKILL, and keeps account of what it used.
    ///
    /// # Errors
    /// When it ended by itself before.
    pub fn kill(&mut self) -> Result<()> {
        self.check()?;
        // What it writes between this look and the signal is not counted; CPU time is, as the
        // process stays readable until it is waited for.
        let written = self.written();
        self.child.kill().context("cannot kill the host")?;
        self.before.written += written;
        while self.stat().is_some_and(|stat| stat.state != 'Z') {
            std::thread::yield_now();
        }
        self.before.cpu_s += self.stat().map_or(0.0, |stat| stat.cpu_s);
        self.child.wait().context("cannot wait for the host")?;
        Ok(())
    }

    /// Starts it again on the same folder, after it has ended.
    ///
    /// # Errors
    /// When it does not start.
    pub fn restart(&mut self) -> Result<()> {
        self.child = spawn(&self.zamu, &self.folder, &self.variables)?;
        Ok(())
    }

    /// Starts it again with other variables in its environment.
    ///
    /// # Errors
    /// When it does not start.
    pub fn restart_with(&mut self, variables: Vec<(&'static str, String)>) -> Result<()> {
        self.variables = variables;
        self.restart()
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// When it cannot be watched.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("cannot watch the host")
    }

    /// Tells it to stop, and waits until it has.
    ///
    /// # Errors
    /// When it had ended before, or ends in disorder.
    pub fn stop(&mut self) -> Result<()> {
        self.check()?;
        let pid = self.pid().to_string();
        let told = Command::new("kill").args(["-TERM", &pid]).status().context("no kill")?;
        let status = self.child.wait().context("cannot wait for the host")?;
        if !(told.success() && status.success()) {
            bail!("the host ended ({status})\n{}", self.last_words());
        }
        Ok(())
    }

    /// Waits until all partitions run.
    ///
    /// # Errors
    /// When the host ends, or takes more than a minute.
    pub async fn ready(&mut self, client: &Client) -> Result<()> {
        let until = Instant::now() + START_MAX;
        while !client.is_ready().await {
            self.check()?;
            if Instant::now() > until {
                bail!("the host is not ready after {START_MAX:?}\n{}", self.last_words());
            }
            sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Is it still running?
    ///
    /// # Errors
    /// When it has ended: how, and its last words.
    pub fn check(&mut self) -> Result<()> {
        match self.child.try_wait().context("cannot watch the host")? {
            None => Ok(()),
            Some(status) => bail!("the host ended ({status})\n{}", self.last_words()),
        }
    }

    /// What it has used so far.
    pub fn usage(&self) -> Usage {
        Usage {
            cpu_s: self.before.cpu_s + self.stat().map_or(0.0, |stat| stat.cpu_s),
            written: self.before.written + self.written(),
        }
    }

    /// Resident memory, in MiB.
    pub fn rss_mib(&self) -> f64 {
        self.proc("status").and_then(|text| rss_kib(&text)).unwrap_or(0) as f64 / 1_024.0
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn stat(&self) -> Option<Stat> {
        self.proc("stat").and_then(|text| stat(&text))
    }

    fn written(&self) -> u64 {
        self.proc("io").and_then(|text| written(&text)).unwrap_or(0)
    }

    fn proc(&self, file: &str) -> Option<String> {
        fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).ok()
    }

    fn last_words(&self) -> String {
        let file = self.folder.join("zamu.log");
        let text = fs::read_to_string(&file).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(20)..].join("\n");
        format!("{} ends with:\n{tail}", file.display())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended already; nobody is left to be told.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(zamu: &Path, folder: &Path, variables: &[(&'static str, String)]) -> Result<Child> {
    let log = folder.join("zamu.log");
    let log = File::options().create(true).append(true).open(&log);
    let log = log.context("cannot write the host's log")?;
    Command::new(zamu)
        .args(["run", "--config"])
        .arg(folder.join("zamu.toml"))
        // The file says where to listen and where to keep data, whatever holds for other nodes here.
        .env_remove("ZAMU_DATA")
        .env_remove("ZAMU_HTTP_LISTEN")
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(log.try_clone().context("the host's log")?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("cannot start {}", zamu.display()))
}

/// A loopback address that nobody listens on.
///
/// # Errors
/// When there is none.
pub fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no free port")?;
    listener.local_addr().context("no free port")
}

/// Of `/proc/PID/stat`.
#[derive(Debug, PartialEq)]
pub struct Stat {
    state: char,
    /// Seconds of CPU, in user and kernel mode.
    pub cpu_s: f64,
}

/// Reads the text of `/proc/PID/stat`, or of a thread's.
pub fn stat(text: &str) -> Option<Stat> {
    // The second field is the program's name in brackets, which may hold anything.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    let mut times = fields.skip(10).map(str::parse::<u64>);
    let (user, system) = (times.next()?.ok()?, times.next()?.ok()?);
    Some(Stat { state, cpu_s: (user + system) as f64 / TICKS_PER_SECOND })
}

fn written(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("write_bytes: "))?.trim().parse().ok()
}

fn rss_kib(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// Bytes of all files below a folder.
pub fn folder_bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => folder_bytes(&entry.path()),
        Ok(metadata) => metadata.len(),
        // Removed between two looks.
        Err(_) => 0,
    });
    sizes.sum()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn cpu_time_is_read_whatever_the_program_is_called() {
        let text = "42 (za) mu (x) S 1 42 42 0 -1 4194560 100 0 0 0 250 75 0 0 20 0 9 0 77";
        assert_eq!(stat(text), Some(Stat { state: 'S', cpu_s: 3.25 }));
        assert_eq!(stat("42 (zamu"), None);
        assert_eq!(stat("42 (zamu) S 1"), None);
    }

    #[test]
    fn proc_files_are_read() {
        let io = "rchar: 1\nwchar: 2\nwrite_bytes: 8192\ncancelled_write_bytes: 5\n";
        assert_eq!(written(io), Some(8_192));
        assert_eq!(written("rchar: 1\n"), None);
        let status = "VmPeak:\t  999 kB\nVmRSS:\t  2048 kB\n";
        assert_eq!(rss_kib(status), Some(2_048));
        assert_eq!(rss_kib("VmRSS: much\n"), None);
    }

    #[test]
    fn this_process_can_be_read() {
        let text = fs::read_to_string("/proc/self/stat").unwrap();
        assert!(stat(&text).is_some(), "{text}");
        let text = fs::read_to_string("/proc/self/status").unwrap();
        assert!(rss_kib(&text).is_some_and(|kib| kib > 0));
    }

    #[test]
    fn a_folder_weighs_what_its_files_weigh() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), [0; 10]).unwrap();
        fs::create_dir(folder.path().join("b")).unwrap();
        fs::write(folder.path().join("b/c"), [0; 5]).unwrap();
        assert_eq!(folder_bytes(folder.path()), 15);
        assert_eq!(folder_bytes(&folder.path().join("nowhere")), 0);
    }
}
