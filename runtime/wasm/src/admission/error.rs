//! Why a component is not let in.

use zamu_core::guest::manifest::Class;

/// Why a component is not let in. Each text ends with what to do about it.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AdmissionError {
    /// The file is too large.
    #[error(
        "the component has {bytes} bytes, and the limit component_bytes is {limit}: build it with \
         optimisation and without debug information, or raise the limit"
    )]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The bytes are something else.
    #[error("not a component but {found}: {remedy}")]
    NotAComponent {
        /// What they are.
        found: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// The bytes do not validate, or use a WebAssembly proposal that is switched off.
    #[error(
        "not valid at byte {offset}: {message}; build it again, for wasm32-unknown-unknown or \
         wasm32-wasip2, and without experimental WebAssembly features"
    )]
    Invalid {
        /// Offset in the file.
        offset: usize,
        /// The validator's words.
        message: String,
    },
    /// There is too much of something.
    #[error(
        "it has {count} {what}, and the limit {limit_name} is {limit}: make the handler smaller, or raise the limit"
    )]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many there are at least.
        count: u32,
        /// The setting.
        limit_name: &'static str,
        /// Its value.
        limit: u32,
    },
    /// A function is so large that compiling it may take very long.
    #[error(
        "function {function} has {bytes} bytes, and the limit function_bytes is {limit}: split the \
         function, or raise the limit"
    )]
    FunctionTooLarge {
        /// Index among the component's function bodies.
        function: u32,
        /// Size of its body.
        bytes: usize,
        /// The limit.
        limit: u32,
    },
    /// Imports that handlers do not get.
    #[error("it imports {names}, which handlers do not get: {remedies}")]
    ForbiddenImports {
        /// The interfaces, separated by commas.
        names: String,
        /// What to do.
        remedies: String,
    },
    /// A class that the operator does not let in.
    #[error(
        "it is of class {class}{}, and the limit classes does not name that class: {}",
        .import.as_ref().map(|name| format!(", for it imports {name}")).unwrap_or_default(),
        remedy_of(*class)
    )]
    ForbiddenClass {
        /// Its class.
        class: Class,
        /// An import that makes it so.
        import: Option<String>,
    },
    /// An export that is no role.
    #[error(
        "it exports {name}, which is no role of a handler (manifest, command-handler, \
         event-handler, projection, inspect, show of zamu:handler@0.1): remove the export"
    )]
    UnknownExport {
        /// The export.
        name: String,
    },
    /// One of our interfaces, in a version that this host does not speak.
    #[error(
        "it uses {name}, and this host speaks zamu:handler@0.1: build it with the SDK of that version"
    )]
    IncompatibleVersion {
        /// The interface.
        name: String,
    },
    /// No `manifest`.
    #[error("it does not export zamu:handler/manifest: use the SDK's export macro")]
    NoManifest,
    /// No role that does anything.
    #[error(
        "it exports neither command-handler nor event-handler nor projection: use the SDK's export macro"
    )]
    NoRole,
    /// A part of the component model that handlers have no use for.
    #[error("it uses {what}, which handlers do not need: {remedy}")]
    Unwanted {
        /// The part.
        what: &'static str,
        /// What to do.
        remedy: &'static str,
    },
}

impl From<wasmparser::BinaryReaderError> for AdmissionError {
    fn from(error: wasmparser::BinaryReaderError) -> Self {
        Self::Invalid { offset: error.offset(), message: error.message().to_owned() }
    }
}

fn remedy_of(class: Class) -> &'static str {
    match class {
        Class::Pure => "add \"pure\" to it",
        Class::Std => {
            "build it for wasm32-unknown-unknown, whose standard library needs no WASI, or add \"std\" to it"
        }
    }
}
