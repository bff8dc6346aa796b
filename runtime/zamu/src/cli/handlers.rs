//! `zamu handlers`: which versions of handlers are in force, which were, and orders that put others in
//! force while the node runs.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::Value;
use zamu::json;

use crate::cli::failure::Failure;
use crate::cli::files::Files;
use crate::cli::output::{Output, list, text, time};
use crate::cli::remote::{Remote, segment};
use crate::cli::{FormatArgs, NodeArgs, SourceArgs};

const EXAMPLES: &str = "\
Examples:
  zamu handlers list
  zamu handlers inspect counter
  zamu handlers history counter
  zamu handlers deploy counter-1.1.0.wasm --reason 'new limit'
  zamu handlers deploy counter-1.1.0.wasm --dry-run
  zamu handlers configure counter limits.toml
  zamu handlers rollback counter

What is deployed takes over between two turns of every partition, and holds over restarts until the
configuration file says something new. The version before it is kept, and comes back with `rollback`;
a version that breaks too often soon after it was deployed is rolled back by itself ([deployments] in
the configuration). Neither is possible where a version takes or reads more than the one before it:
`deploy` says so, also with --dry-run.";

/// Show versions of handlers, or put others in force while the node runs.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct HandlersArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, Subcommand)]
enum Action {
    /// Show the versions that are in force
    List(ListArgs),
    /// Show a handler: its version, its configuration, and what it says of itself
    Inspect(InspectArgs),
    /// Show all deployments, newest first, and what each changed
    History(HistoryArgs),
    /// Put another version of a handler in force
    Deploy(DeployArgs),
    /// Put another configuration of a handler in force
    Configure(ConfigureArgs),
    /// Bring back what a handler was before its newest version, or under an earlier deployment
    Rollback(RollbackArgs),
}

#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  zamu handlers list\n  zamu handlers list --data zamu-data --json"
)]
struct ListArgs {
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    format: FormatArgs,
}

#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  zamu handlers inspect counter\n  zamu handlers inspect counter --json"
)]
struct InspectArgs {
    /// The handler
    name: String,
    #[command(flatten)]
    node: NodeArgs,
    #[command(flatten)]
    format: FormatArgs,
}

#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  zamu handlers history\n  zamu handlers history counter --data zamu-data"
)]
struct HistoryArgs {
    /// Only what was changed of this handler
    name: Option<String>,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    format: FormatArgs,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  zamu handlers deploy counter-1.1.0.wasm --reason 'new limit'
  zamu handlers deploy counter-1.1.0.wasm --configuration limits.toml
  zamu handlers deploy counter-1.1.0.wasm --dry-run --json
  zamu handlers deploy notices-1.0.0.wasm --from beginning

The component says itself which handler it is. Without --configuration it gets that of the version in
force. A version that could not take over safely (another fold number, kinds that it no longer takes or
reads, commands that nobody takes) is refused, and everything stays as it is.

A handler that only reacts to events can be added: say with --from whether it is to catch up with what has
happened (beginning) or to begin with what comes (now). `zamu handlers list` shows how far it is. The same
holds for a version that begins to react to another type.")]
struct DeployArgs {
    /// The component
    file: PathBuf,
    /// Its configuration: JSON, or TOML if the name ends so
    #[arg(long, value_name = "FILE")]
    configuration: Option<PathBuf>,
    /// Where it has not reacted to all events: from which one on it does, `beginning` or `now`
    #[arg(long, value_name = "WHEN")]
    from: Option<String>,
    #[command(flatten)]
    order: OrderArgs,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  zamu handlers configure counter limits.toml
  zamu handlers configure counter limits.json --dry-run")]
struct ConfigureArgs {
    /// The handler
    name: String,
    /// Its configuration: JSON, or TOML if the name ends so
    file: PathBuf,
    #[command(flatten)]
    order: OrderArgs,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  zamu handlers rollback counter
  zamu handlers rollback counter --to 3 --reason 'wrong limit'
  zamu handlers rollback counter --of 7   # and nothing if somebody has deployed another one since

The version before may be refused as any other: if the one in force takes or reads what that one does
not, mend it and deploy that. A version that was brought back is not rolled back by itself any more.")]
struct RollbackArgs {
    /// The handler
    name: String,
    /// The deployment whose version is to come back
    #[arg(long, value_name = "DEPLOYMENT")]
    to: Option<u64>,
    /// Only if the version that this deployment put in force still is
    #[arg(long, value_name = "DEPLOYMENT")]
    of: Option<u64>,
    #[command(flatten)]
    order: OrderArgs,
}

/// What all orders have.
#[derive(Clone, Debug, Args)]
struct OrderArgs {
    /// Why: it stands in the history
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Only say whether it could be done
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    node: NodeArgs,
    #[command(flatten)]
    format: FormatArgs,
}

/// Shows them, or gives an order.
pub(crate) fn run(args: &HandlersArgs, output: &mut Output) -> Result<(), Failure> {
    match &args.action {
        Action::List(list) => {
            let told = stored_or(&list.source, "/handlers", |files| {
                let history = &files.terms.history;
                let newest = history.newest().map_or(0, |(number, _)| number);
                json::in_force(history, newest)
            })?;
            if list.format.json { output.json(&told) } else { tell_list(&told, output) }
        }
        Action::Inspect(inspect) => {
            let path = format!("/handlers/{}", segment(&inspect.name));
            let told: Value = Remote::new(&inspect.node)?.get(&path)?;
            if inspect.format.json { output.json(&told) } else { tell_one(&told, output) }
        }
        Action::History(history) => {
            let name = history.name.as_deref();
            let asked = name.map(|name| format!("?handler={}", segment(name)));
            let path = format!("/deployments{}", asked.unwrap_or_default());
            let told =
                stored_or(&history.source, &path, |files| json::past(&files.terms.history, name))?;
            if history.format.json { output.json(&told) } else { tell_history(&told, output) }
        }
        Action::Deploy(deploy) => self::deploy(deploy, output),
        Action::Configure(configure) => {
            let path = format!("/handlers/{}/configuration", segment(&configure.name));
            let body = configuration(&configure.file)?.to_string().into_bytes();
            order((Method::PUT, &path), &[], body, &configure.order, output)
        }
        Action::Rollback(rollback) => {
            let path = format!("/handlers/{}/rollback", segment(&rollback.name));
            let asked = [("to", rollback.to), ("of", rollback.of)];
            let asked = asked.into_iter().filter_map(|(name, n)| Some((name, n?.to_string())));
            let asked: Vec<_> = asked.collect();
            order((Method::POST, &path), &asked, Vec::new(), &rollback.order, output)
        }
    }
}

fn deploy(args: &DeployArgs, output: &mut Output) -> Result<(), Failure> {
    let wasm = fs::read(&args.file)
        .with_context(|| format!("cannot read the component {}", args.file.display()))?;
    let document = args.configuration.as_deref().map(configuration).transpose()?;
    let document = document.map(|document| ("configuration", document.to_string()));
    let from = args.from.clone().map(|from| ("from", from));
    let asked: Vec<_> = document.into_iter().chain(from).collect();
    order((Method::POST, "/handlers"), &asked, wasm, &args.order, output)
}

/// A node reads a line and headers of 64 KiB together.
const LINE_BYTES_MAX: usize = 60_000;

/// Has something put in force, and tells what came of it.
fn order(
    (method, path): (Method, &str),
    asked: &[(&str, String)],
    body: Vec<u8>,
    args: &OrderArgs,
    output: &mut Output,
) -> Result<(), Failure> {
    let mut path = format!("{path}?dry-run={}", args.dry_run);
    let reason = args.reason.iter().map(|reason| ("reason", reason));
    for (name, value) in asked.iter().map(|(name, value)| (*name, value)).chain(reason) {
        path.push_str(&format!("&{name}={}", segment(value)));
    }
    if path.len() > LINE_BYTES_MAX {
        return Err(anyhow!(
            "configuration and reason take {} bytes in the request's line, and {LINE_BYTES_MAX} fit: \
             deploy the component without its configuration, and give it that with `zamu handlers \
             configure`",
            path.len()
        )
        .into());
    }
    let remote = Remote::new(&args.node)?;
    let told = remote.ask(remote.request(method, &path).body(body))?.expect_success()?;
    if args.format.json { output.json(&told) } else { tell_order(&told, output) }
}

fn tell_order(told: &Value, output: &mut Output) -> Result<(), Failure> {
    let version = |of: &Value| format!("{} ({})", text(&of["version"]), short(&of["digest"]));
    let name = text(&told["handler"]);
    let before = match &told["before"] {
        Value::Null => "nothing: it is new".to_owned(),
        before => version(before),
    };
    match told["deployment"].as_u64() {
        None => {
            let next = version(told);
            output.line(format_args!("{name} {next} could take over from {before}"))?;
        }
        Some(number) => {
            let next = version(told);
            output.line(format_args!(
                "deployment {number}: {name} {next} has taken over from {before}; no shard stood \
                 still for longer than {} us, or was longer than {} us from one step to the next",
                told["stallUs"], told["gapUs"]
            ))?;
        }
    }
    for kind in list(&told["standAlone"]) {
        let (kind, r#type, what) = (text(&kind["kind"]), text(&kind["type"]), text(&kind["what"]));
        output.line(format_args!("! `{kind}` of `{type}` is {what}"))?;
    }
    if let Some(why) = told["rollback"].as_str() {
        output.line(format_args!("! it is not rolled back by itself if it breaks: {why}"))?;
    }
    Ok(())
}

fn tell_list(told: &Value, output: &mut Output) -> Result<(), Failure> {
    let heads = ["HANDLER", "VERSION", "DIGEST", "CLASS", "FOLD", "SINCE", "ROLLBACK TO", "FILE"];
    let mut rows = vec![heads.map(str::to_owned)];
    for of in list(&told["handlers"]) {
        rows.push([
            text(&of["name"]),
            text(&of["version"]),
            short(&of["digest"]),
            text(&of["class"]),
            of["fold"].to_string(),
            of["since"].to_string(),
            of["previous"].as_u64().map_or_else(|| "-".to_owned(), |number| number.to_string()),
            if of["differsFromFile"] == true { "differs" } else { "same" }.to_owned(),
        ]);
    }
    output.line(format_args!("deployment {}", told["deployment"]))?;
    output.table(&rows)?;
    for behind in list(&told["behind"]) {
        let (handler, held) = (text(&behind["handler"]), behind["held"].as_str());
        let held = held.map(|why| format!(", and does not go on: {why}")).unwrap_or_default();
        output.line(format_args!(
            "! {handler} is at event {} of {} of {}/{}{held}",
            behind["next"],
            behind["end"],
            text(&behind["type"]),
            behind["partition"]
        ))?;
    }
    Ok(())
}

fn tell_one(told: &Value, output: &mut Output) -> Result<(), Failure> {
    let (name, version) = (text(&told["name"]), text(&told["version"]));
    output.line(format_args!("{name} {version}"))?;
    let mut rows = vec![
        ["digest".to_owned(), text(&told["digest"])],
        ["class".to_owned(), text(&told["class"])],
        ["fold".to_owned(), told["fold"].to_string()],
        ["since".to_owned(), format!("deployment {}", told["since"])],
        ["configuration".to_owned(), told["configuration"].to_string()],
    ];
    let manifest = &told["manifest"];
    for (field, head) in [("commands", "takes"), ("events", "decides")] {
        for owned in list(&manifest["aggregates"]) {
            rows.push([head.to_owned(), kinds(&owned["type"], &owned[field])]);
        }
    }
    for (field, head) in [("reactsTo", "reacts to"), ("sends", "sends"), ("projects", "projects")] {
        for of in list(&manifest[field]) {
            rows.push([head.to_owned(), kinds(&of["type"], &of["kinds"])]);
        }
    }
    for table in list(&manifest["tables"]) {
        let reference = if table["reference"] == true { ", reference" } else { "" };
        let line = format!("{} of {}{reference}", text(&table["table"]), text(&table["type"]));
        rows.push(["makes table".to_owned(), line]);
    }
    for table in list(&manifest["looksUp"]) {
        rows.push(["looks up in".to_owned(), text(table)]);
    }
    output.table(&rows)
}

fn tell_history(told: &Value, output: &mut Output) -> Result<(), Failure> {
    let heads = ["DEPLOYMENT", "TIME", "BY", "HANDLER", "VERSION", "DIGEST", "BEFORE", "REASON"];
    let mut rows = vec![heads.map(str::to_owned)];
    for deployment in list(told) {
        let by = match deployment["principal"].as_str() {
            None | Some("") => "a start".to_owned(),
            Some(by) => by.to_owned(),
        };
        for change in list(&deployment["changes"]) {
            rows.push([
                deployment["deployment"].to_string(),
                time(deployment["time"].as_u64().unwrap_or_default()),
                by.clone(),
                text(&change["handler"]),
                change["version"].as_str().unwrap_or("gone").to_owned(),
                short(&change["digest"]),
                change["before"].as_str().unwrap_or("-").to_owned(),
                text(&deployment["reason"]),
            ]);
        }
    }
    output.table(&rows)
}

fn kinds(r#type: &Value, kinds: &Value) -> String {
    let names: Vec<String> = list(kinds).iter().map(|kind| text(&kind["kind"])).collect();
    format!("{}: {}", text(r#type), names.join(", "))
}

/// Enough of a digest to tell it from others.
fn short(digest: &Value) -> String {
    digest.as_str().map_or_else(|| "-".to_owned(), |digest| digest.chars().take(12).collect())
}

/// What a running node says, or the files of a stopped one.
fn stored_or(
    source: &SourceArgs,
    path: &str,
    stored: impl FnOnce(&Files) -> serde_json::Result<Box<serde_json::value::RawValue>>,
) -> Result<Value> {
    match &source.data {
        None => Remote::new(&source.node)?.get(path),
        Some(folder) => Ok(serde_json::from_str(stored(&Files::open(folder)?)?.get())?),
    }
}

/// A configuration in a file.
fn configuration(path: &Path) -> Result<Value> {
    let place = || format!("the configuration {}", path.display());
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", place()))?;
    let is_toml = path.extension().is_some_and(|extension| extension == "toml");
    if is_toml {
        let table = toml::from_str(&text).with_context(|| format!("{} is no TOML", place()))?;
        return zamu::handlers::json_of(&table).with_context(place);
    }
    let value: Value =
        serde_json::from_str(&text).with_context(|| format!("{} is no JSON", place()))?;
    ensure!(value.is_object(), anyhow!("{} is no table of settings", place()));
    // What the node would refuse is lost once it is read.
    zamu::handlers::document(&text).with_context(place)?;
    Ok(value)
}
