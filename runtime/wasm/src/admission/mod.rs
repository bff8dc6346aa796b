//! Is this component let in? Looks at the bytes only, cheapest checks first; compiles and runs
//! nothing. What the component then says of itself is checked by [`crate::manifest`].
//!
//! What may be imported stands in `class.rs`.

mod error;

use std::ops::ControlFlow;

use wasmparser::{
    CanonicalFunction, CanonicalOption, ComponentExternalKind, Encoding, FuncValidatorAllocations,
    Parser, Payload, ValidPayload, Validator, WasmFeatures,
};
use zamu_core::guest::manifest::Class;

use crate::class::{self, Import, ours};
use crate::limits::Limits;

pub use error::AdmissionError;

/// What was found of a component that is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// What it exports.
    pub roles: Roles,
    /// What it imports.
    pub class: Class,
}

/// The roles that a component exports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    /// Exports `manifest`. Always true of what is admitted.
    pub manifest: bool,
    /// Exports `command-handler`.
    pub command_handler: bool,
    /// Exports `event-handler`.
    pub event_handler: bool,
    /// Exports `projection`.
    pub projection: bool,
    /// Exports `inspect`.
    pub inspect: bool,
    /// Exports `show`.
    pub show: bool,
}

/// Decides whether a component is let in, and finds its roles and its class.
///
/// # Errors
/// The first reason found.
pub fn admit(bytes: &[u8], limits: &Limits) -> Result<Admitted, AdmissionError> {
    if bytes.len() > limits.component_bytes {
        let limit = limits.component_bytes;
        return Err(AdmissionError::TooLarge { bytes: bytes.len(), limit });
    }
    is_component(bytes)?;
    let mut walk = Walk::new(limits);
    for payload in Parser::new(0).parse_all(bytes) {
        if walk.step(&payload?)?.is_break() {
            break;
        }
    }
    walk.finish()
}

/// WebAssembly 2.0 and constants that compilers emit: what the engine runs.
const FEATURES: WasmFeatures =
    WasmFeatures::WASM2.union(WasmFeatures::EXTENDED_CONST).union(WasmFeatures::COMPONENT_MODEL);

fn is_component(bytes: &[u8]) -> Result<(), AdmissionError> {
    let (found, remedy) = match bytes {
        [0, b'a', b's', b'm', _, _, 1, 0, ..] => return Ok(()),
        [0, b'a', b's', b'm', ..] => (
            "a core module",
            "encode it as a component, as `cargo xtask guests` does with wit-component",
        ),
        [0x7f, b'E', b'L', b'F', ..] => {
            ("native code", "give the component itself: the host compiles it, and trusts only that")
        }
        [b'(', ..] => ("WebAssembly text", "give the binary form"),
        _ => ("an unknown file", "give a WebAssembly component"),
    };
    Err(AdmissionError::NotAComponent { found, remedy })
}

struct Walk<'a> {
    limits: &'a Limits,
    validator: Validator,
    allocations: FuncValidatorAllocations,
    /// Components and modules that are open, the outermost first.
    open: Vec<Encoding>,
    roles: Roles,
    /// An import that is not ours, but served.
    beyond_pure: Option<String>,
    forbidden: Vec<Forbidden>,
    /// Whether it drops handles to resources.
    drops: bool,
    modules: u32,
    functions: u32,
}

struct Forbidden {
    name: String,
    remedy: &'static str,
}

impl<'a> Walk<'a> {
    fn new(limits: &'a Limits) -> Self {
        Self {
            limits,
            validator: Validator::new_with_features(FEATURES),
            allocations: FuncValidatorAllocations::default(),
            open: Vec::new(),
            roles: Roles::default(),
            beyond_pure: None,
            forbidden: Vec::new(),
            drops: false,
            modules: 0,
            functions: 0,
        }
    }

    fn step(&mut self, payload: &Payload<'_>) -> Result<ControlFlow<()>, AdmissionError> {
        self.count(payload)?;
        self.borders(payload)?;
        match self.validator.payload(payload)? {
            ValidPayload::Func(function, body) => {
                let mut validator = function.into_validator(std::mem::take(&mut self.allocations));
                validator.validate(&body)?;
                self.allocations = validator.into_allocations();
            }
            ValidPayload::End(_) => {
                self.open.pop();
                if self.open.is_empty() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            ValidPayload::Ok | ValidPayload::Parser(_) => {}
        }
        Ok(ControlFlow::Continue(()))
    }

    fn finish(self) -> Result<Admitted, AdmissionError> {
        self.imports_end()?;
        let class = if self.beyond_pure.is_some() { Class::Std } else { Class::Pure };
        if !self.limits.classes.contains(&class) {
            return Err(AdmissionError::ForbiddenClass { class, import: self.beyond_pure });
        }
        if self.drops && class == Class::Pure {
            return Err(resources());
        }
        match self.roles {
            Roles { manifest: false, .. } => Err(AdmissionError::NoManifest),
            Roles { command_handler: false, event_handler: false, projection: false, .. } => {
                Err(AdmissionError::NoRole)
            }
            roles => Ok(Admitted { roles, class }),
        }
    }

    fn count(&mut self, payload: &Payload<'_>) -> Result<(), AdmissionError> {
        let limits = self.limits;
        match payload {
            Payload::Version { encoding, .. } => {
                self.open.push(*encoding);
                if *encoding == Encoding::Module {
                    self.imports_end()?;
                    self.modules += 1;
                    at_most("core modules", self.modules, "modules", limits.modules)?;
                }
            }
            Payload::CodeSectionStart { count, .. } => {
                let functions = self.functions.saturating_add(*count);
                at_most("functions", functions, "functions", limits.functions)?;
            }
            Payload::CodeSectionEntry(body) => {
                let (function, bytes) = (self.functions, body.range().len());
                self.functions += 1;
                let limit = limits.function_bytes;
                if bytes > limit as usize {
                    return Err(AdmissionError::FunctionTooLarge { function, bytes, limit });
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn borders(&mut self, payload: &Payload<'_>) -> Result<(), AdmissionError> {
        let outermost = self.open.len() == 1;
        match payload {
            Payload::ComponentImportSection(imports) if outermost => {
                for import in imports.clone() {
                    self.admit_import(import?.name.name)?;
                }
            }
            Payload::ComponentExportSection(exports) if outermost => {
                for export in exports.clone() {
                    let export = export?;
                    self.admit_export(export.name.name, export.kind)?;
                }
            }
            Payload::ComponentCanonicalSection(functions) => {
                for function in functions.clone() {
                    let function = function?;
                    self.drops |= matches!(function, CanonicalFunction::ResourceDrop { .. });
                    admit_canonical(&function)?;
                }
            }
            Payload::ComponentStartSection { .. } => {
                return Err(AdmissionError::Unwanted {
                    what: "a component start function",
                    remedy: "do the work in an export",
                });
            }
            _ => {}
        }
        Ok(())
    }

    /// What is forbidden is only noted, so that all of it is named together.
    fn admit_import(&mut self, name: &str) -> Result<(), AdmissionError> {
        match class::of_import(name)? {
            Import::Served(Class::Pure) => {}
            Import::Served(Class::Std) => {
                self.beyond_pure.get_or_insert_with(|| name.to_owned());
            }
            Import::Forbidden { remedy } => {
                self.forbidden.push(Forbidden { name: name.to_owned(), remedy });
            }
        }
        Ok(())
    }

    /// Imports come before all code, as encoders lay components out; where they do not, the end finds
    /// them.
    fn imports_end(&self) -> Result<(), AdmissionError> {
        if self.forbidden.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = self.forbidden.iter().map(|import| &*import.name).collect();
        let mut remedies: Vec<&str> = Vec::new();
        for import in &self.forbidden {
            if !remedies.contains(&import.remedy) {
                remedies.push(import.remedy);
            }
        }
        Err(AdmissionError::ForbiddenImports {
            names: names.join(", "),
            remedies: remedies.join("; "),
        })
    }

    fn admit_export(
        &mut self,
        name: &str,
        kind: ComponentExternalKind,
    ) -> Result<(), AdmissionError> {
        let unknown = || AdmissionError::UnknownExport { name: name.to_owned() };
        let role = match ours(name)? {
            Some("manifest") => &mut self.roles.manifest,
            Some("command-handler") => &mut self.roles.command_handler,
            Some("event-handler") => &mut self.roles.event_handler,
            Some("projection") => &mut self.roles.projection,
            Some("inspect") => &mut self.roles.inspect,
            Some("show") => &mut self.roles.show,
            _ => return Err(unknown()),
        };
        if kind != ComponentExternalKind::Instance {
            return Err(unknown());
        }
        *role = true;
        Ok(())
    }
}

fn resources() -> AdmissionError {
    AdmissionError::Unwanted {
        what: "resources",
        remedy: "pass columns, as the interfaces of zamu:handler do",
    }
}

fn at_most(
    what: &'static str,
    count: u32,
    limit_name: &'static str,
    limit: u32,
) -> Result<(), AdmissionError> {
    if count > limit {
        return Err(AdmissionError::TooMany { what, count, limit_name, limit });
    }
    Ok(())
}

fn admit_canonical(function: &CanonicalFunction) -> Result<(), AdmissionError> {
    let options = match function {
        CanonicalFunction::Lift { options, .. } | CanonicalFunction::Lower { options, .. } => {
            options
        }
        // Streams are dropped by those that have them.
        CanonicalFunction::ResourceDrop { .. } => return Ok(()),
        CanonicalFunction::ResourceNew { .. } | CanonicalFunction::ResourceRep { .. } => {
            return Err(resources());
        }
        _ => {
            return Err(AdmissionError::Unwanted {
                what: "threads or asynchronous calls",
                remedy: "build it with synchronous exports",
            });
        }
    };
    let foreign = [CanonicalOption::UTF16, CanonicalOption::CompactUTF16];
    if options.iter().any(|option| foreign.contains(option)) {
        return Err(AdmissionError::Unwanted {
            what: "strings in UTF-16",
            remedy: "build it with UTF-8 as the string encoding",
        });
    }
    Ok(())
}
