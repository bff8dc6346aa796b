//! The borders, as lists. Extend them with thought: each entry is a door that stays open.

/// Whom of ours a package may import (normal, build and dev dependencies alike). The runtime knows
/// no handler, engines never know each other, the binary is imported by none, and what talks to
/// the binary from outside is a client. `engine` alone knows both sides: it plays the handlers'
/// scenarios in the runtime, ships nothing, and is imported by none.
pub(crate) const PACKAGES: &[(&str, &[&str])] = &[
    // Itself: its tests turn on its own feature `testing`.
    ("zamu-core", &["zamu-core"]),
    ("zamu-wasm", &["zamu-core"]),
    ("zamu-rocks", &["zamu-core"]),
    // Meets the host over HTTP only, as any client does.
    ("zamu-bench", &[]),
    ("zamu", &["zamu-core", "zamu-wasm", "zamu-rocks", "zamu-bench"]),
    ("zamu-guest", &[]),
    ("visitor", &["zamu-guest"]),
    ("zoo", &["zamu-guest"]),
    ("zoo-plain", &["zamu-guest"]),
    ("zoo-std", &["zamu-guest"]),
    ("scheme", &["zamu-guest"]),
    ("participants", &["zamu-guest", "scheme"]),
    ("accounts", &["zamu-guest", "scheme"]),
    ("transfers", &["zamu-guest", "scheme"]),
    ("directory", &["zamu-guest", "scheme", "participants", "accounts", "scenarios"]),
    ("views", &["zamu-guest", "scheme", "accounts", "transfers", "scenarios"]),
    ("scenarios", &["zamu-guest", "scheme", "participants", "accounts", "transfers", "directory"]),
    ("engine", &["scenarios", "zamu-core", "zamu-wasm", "zamu-rocks"]),
    ("counter", &["zamu-guest"]),
    ("switch", &["scheme", "zamu-bench"]),
    ("transfers-ceiling", &["zamu-guest", "scheme", "transfers"]),
    ("xtask", &[]),
];

/// Third-party engines, and the packages that may import them.
pub(crate) const ENGINES: &[(&str, &[&str])] = &[
    ("wasmtime", &["zamu-wasm"]),
    ("rocksdb", &["zamu-rocks"]),
    ("axum", &["zamu"]),
    ("tokio", &["zamu", "zamu-bench", "switch"]),
    ("wit-component", &["xtask"]),
];

/// What must not lie below a package, however deep, with all its features.
pub(crate) const ABSENT_BELOW: &[(&str, &[&str])] = &[
    (
        "zamu-core",
        &[
            "rocksdb",
            "librocksdb-sys",
            "wasmtime",
            "wasmparser",
            "tokio",
            "tracing",
            "serde_json",
            "prometheus",
            "prometheus-client",
            "crossbeam-channel",
        ],
    ),
    ("zamu-wasm", &["rocksdb", "librocksdb-sys", "zamu-rocks", "tokio", "wasmtime-wasi"]),
    ("zamu-rocks", &["wasmtime", "zamu-wasm", "tokio"]),
    ("zamu-bench", &["wasmtime", "rocksdb", "axum"]),
    ("zamu-guest", &["wasmtime", "rocksdb", "tokio", "rand", "chrono", "time"]),
];

/// Folders without a word of the domain.
pub(crate) const DOMAIN_FREE_FOLDERS: &[&str] = &["runtime", "guest-sdk", "wit"];

/// The kinds of files that are looked at there.
pub(crate) const DOMAIN_FREE_EXTENSIONS: &[&str] = &["rs", "wit", "toml", "proto"];

/// The words, in lower case, also as parts of longer ones.
pub(crate) const DOMAIN_WORDS: &[&str] =
    &["payer", "payee", "fspiop", "net debit", "net_debit", "netdebit", "transfer", "participant"];

/// Words that contain one of them and mean something else, in lower case.
pub(crate) const HARMLESS: &[&str] = &["transfer-encoding", "transfer_encoding"];

/// A module (or, with `::*`, everything below it) and the modules that it may import. Below itself
/// a module may import anything. In the second list `x` is the module alone, `x::*` all below too.
/// The first rule that fits counts.
pub(crate) type CoreRule = (&'static str, &'static [&'static str]);

/// Inside the core, from the bottom up.
pub(crate) const CORE: &[CoreRule] = &[
    // Plain data. An error names the partition it stopped; beyond that both import nothing of ours.
    ("model", &[]),
    ("error", &["model"]),
    // The seams: never one another. Their implementations for tests may be made of more.
    ("log", &["model", "error"]),
    ("store", &["model", "error"]),
    ("guest", &["model", "error"]),
    ("log::*", &["model", "error", "log::*", "proto", "prng"]),
    ("store::*", &["model", "error", "store::*", "proto", "prng"]),
    ("guest::*", &["model", "error", "guest::*"]),
    // Small parts.
    ("failpoints", &[]),
    ("prng", &[]),
    ("observer", &["model", "topology"]),
    ("topology", &["model", "guest::manifest", "topology::*"]),
    ("topology::*", &["topology", "model", "guest::manifest"]),
    // What turns look up. Who fills it is above, and unknown to it.
    ("references", &["model", "proto", "topology", "guest::lookup"]),
    ("settings", &["log"]),
    ("fault_rate", &["settings"]),
    ("window", &["model", "proto", "topology"]),
    ("channels", &["model", "proto", "topology"]),
    ("aggregate", &["model", "proto", "window"]),
    ("outcomes", &["model", "proto", "topology", "window", "aggregate", "channels", "log"]),
    ("working", &["model", "error", "topology", "aggregate", "guest::columns"]),
    ("dead_letters", &["model", "proto", "topology"]),
    ("deadlines", &["model", "error", "aggregate", "log", "store"]),
    // The steps: data, small parts, and the one seam each needs; never a sibling.
    ("turn", &["model", "proto", "topology", "window"]),
    (
        "turn::decode",
        &[
            "turn",
            "model",
            "proto",
            "topology",
            "channels",
            "outcomes",
            "dead_letters",
            "guest::columns",
        ],
    ),
    ("turn::load", &["turn", "model", "error", "topology", "store", "working"]),
    (
        "turn::decide",
        &[
            "turn",
            "model",
            "error",
            "proto",
            "topology",
            "settings",
            "failpoints",
            "fault_rate",
            "window",
            "aggregate",
            "working",
            "guest::*",
        ],
    ),
    (
        "turn::decide::plan",
        &[
            "turn",
            "model",
            "proto",
            "topology",
            "failpoints",
            "window",
            "aggregate",
            "working",
            "guest::columns",
            "guest::isolation",
        ],
    ),
    (
        "turn::react",
        &[
            "turn",
            "model",
            "error",
            "topology",
            "references",
            "settings",
            "failpoints",
            "fault_rate",
            "guest::*",
        ],
    ),
    (
        "turn::collect",
        &[
            "turn",
            "model",
            "error",
            "proto",
            "topology",
            "failpoints",
            "aggregate",
            "channels",
            "outcomes",
            "dead_letters",
            "log",
        ],
    ),
    // Beside the turn, and unknown to it: tables, made of durable events.
    ("projection", &["projection::*"]),
    (
        "projection::*",
        &[
            "projection::*",
            "model",
            "error",
            "proto",
            "topology",
            "references",
            "aggregate",
            "log::*",
            "store::*",
            "guest::*",
        ],
    ),
    // What a partition is made of: steps and seams, never the shard above it.
    ("memory", &["model", "error", "aggregate", "working", "log"]),
    (
        "flush",
        &[
            "model",
            "error",
            "proto",
            "settings",
            "failpoints",
            "aggregate",
            "working",
            "memory",
            "deadlines",
            "log",
            "store",
            "turn::*",
        ],
    ),
    // What events and outcomes have made of aggregates: of restores and of audits.
    (
        "fold",
        &["model", "proto", "topology", "window", "aggregate", "working", "guest", "guest::*"],
    ),
    (
        "restore",
        &[
            "model",
            "error",
            "proto",
            "topology",
            "settings",
            "failpoints",
            "observer",
            "channels",
            "aggregate",
            "outcomes",
            "working",
            "memory",
            "fold",
            "log",
            "store",
            "guest::*",
            "turn::*",
        ],
    ),
    (
        "partition",
        &[
            "model",
            "topology",
            "references",
            "settings",
            "observer",
            "fault_rate",
            "outcomes",
            "memory",
            "deadlines",
            "flush",
            "restore",
            "log",
            "store",
            "guest",
        ],
    ),
    (
        "partition::status",
        &[
            "partition",
            "model",
            "error",
            "topology",
            "references",
            "settings",
            "observer",
            "memory",
            "deadlines",
            "flush",
        ],
    ),
    (
        "partition::layers",
        &[
            "partition",
            "model",
            "proto",
            "failpoints",
            "aggregate",
            "outcomes",
            "working",
            "log",
            "turn::collect",
        ],
    ),
    ("partition::owed", &["partition", "error", "proto", "outcomes", "log"]),
    (
        "partition::waking",
        &["partition", "model", "aggregate", "deadlines", "working", "log", "turn"],
    ),
    (
        "partition::catching_up",
        &[
            "partition",
            "model",
            "topology",
            "references",
            "failpoints",
            "observer",
            "outcomes",
            "log",
            "turn",
            "turn::react",
        ],
    ),
    (
        "partition::redrives",
        &["partition", "model", "proto", "aggregate", "outcomes", "log", "turn", "turn::decode"],
    ),
    ("partition::report", &["partition", "model", "observer", "topology", "turn", "turn::collect"]),
    (
        "partition::turn",
        &[
            "partition",
            "partition::catching_up",
            "partition::redrives",
            "partition::report",
            "model",
            "topology",
            "references",
            "failpoints",
            "channels",
            "outcomes",
            "working",
            "log",
            "turn::*",
        ],
    ),
    ("shard::succession", &["shard", "model", "failpoints", "guest", "topology"]),
    (
        "shard",
        &[
            "model",
            "error",
            "topology",
            "references",
            "settings",
            "failpoints",
            "observer",
            "proto",
            "aggregate",
            "partition",
            "restore",
            "log",
            "store",
            "guest::*",
            "turn",
        ],
    ),
    (
        "shard::reading",
        &["shard", "model", "error", "aggregate", "working", "partition", "log", "guest::*"],
    ),
    // Beside the shard, and unknown to it: history, decided once more.
    ("audit", &["audit::*", "model", "error", "topology", "guest", "guest::manifest"]),
    (
        "audit::*",
        &[
            "audit",
            "audit::*",
            "model",
            "error",
            "proto",
            "topology",
            "settings",
            "references",
            "fault_rate",
            "aggregate",
            "channels",
            "outcomes",
            "working",
            "fold",
            "projection::*",
            "log::*",
            "store::*",
            "guest::*",
            "turn::*",
        ],
    ),
    // A process for tests: everything a binary would put together, and the engines of tests.
    (
        "simulation",
        &[
            "model",
            "proto",
            "prng",
            "topology",
            "references",
            "projection",
            "projection::*",
            "settings",
            "observer",
            "aggregate",
            "outcomes",
            "partition",
            "shard",
            "log::*",
            "store::*",
            "guest::*",
        ],
    ),
];

/// Doors that should be shut: importer, imported, and why it is still open. One that is no longer
/// used fails the test.
pub(crate) const CORE_EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("flush", "partition", "works on the partition's own fields"),
    ("restore", "partition", "works on the partition's own fields"),
];
