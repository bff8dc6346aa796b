//! From a component's bytes to a handler that can be instantiated: admitted, compiled or taken from
//! the cache, linked, type-checked, started once, and asked what it is.

use std::sync::Arc;

use bytes::Bytes;
use wasmtime::component::{
    Component, ComponentExportIndex, ComponentNamedList, Instance, InstancePre, Lift, Linker, Lower,
};
use wasmtime::{Store, component};
use zamu_core::guest::Fault;
use zamu_core::guest::manifest::{Class, HandlerSpec, Manifest};

use crate::admission::{AdmissionError, Admitted, Roles, admit};
use crate::cache::{Cache, Key, digest};
use crate::columns::{
    AggregatesIn, BlobsOut, ChangesOut, CommandsIn, DecisionOut, EventsIn, FaultOut, MessagesIn,
    PastIn, ProjectedIn, RowsIn, SentOut, StatesOut, SubjectsIn,
};
use crate::engine::Engine;
use crate::fault;
use crate::host::{Host, on_tick};
use crate::imports;
use crate::instance::Instance as GuestInstance;
use crate::limits::Limits;
use crate::manifest::{self, ManifestError};
use crate::wasi;

/// A handler that is ready to run, shared by all shards.
pub struct Handler {
    engine: Engine,
    limits: Arc<Limits>,
    spec: HandlerSpec,
    roles: Roles,
    from_cache: bool,
    configuration: Arc<[u8]>,
    exports: Exports,
    linked: Linked,
}

/// Why a component did not become a handler.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It is not let in.
    #[error("the component was refused: {0}")]
    Admission(#[from] AdmissionError),
    /// It does not compile.
    #[error("the component does not compile: {0}")]
    Compile(String),
    /// Something that it imports is not there, or has another type here.
    #[error(
        "the component imports what this host does not have in this form: {0}; build it with the SDK \
         of zamu:handler@0.1, and where it is of class std, for WASI 0.2.6 or older"
    )]
    Imports(String),
    /// Its exports have other types than `wit/` says.
    #[error(
        "the component's {interface} is not as wit/ of zamu:handler@0.1 has it: {problem}; build it \
         with the SDK of that version"
    )]
    Shape {
        /// The interface.
        interface: &'static str,
        /// What differs.
        problem: String,
    },
    /// It broke before it said what it is.
    #[error("the component broke while it was asked what it is: {0}")]
    Start(Fault),
    /// What it says of itself is not consistent.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

impl Handler {
    /// Loads a component: takes milliseconds from the cache, seconds for a large one without.
    ///
    /// # Errors
    /// Says what was wrong with the component, and what to do about it.
    pub fn load(
        engine: &Engine,
        wasm: &[u8],
        cache: Option<&Cache>,
        limits: Limits,
        configuration: Bytes,
    ) -> Result<Arc<Self>, LoadError> {
        let Admitted { roles, class } = admit(wasm, &limits)?;
        let digest = digest(wasm);
        let (component, from_cache) = compile(engine, wasm, &digest, cache)?;
        let linked = Linked { instances: link(engine, &component, class)?, class };
        let exports = Exports::find(&component, roles)?;
        let limits = Arc::new(limits);
        let manifest = ask(engine, &linked, &exports, &limits, roles)?;
        let spec = HandlerSpec {
            name: manifest.name.as_str().into(),
            digest,
            class,
            manifest,
            configuration: configuration.clone(),
        };
        let configuration = Arc::from(&*configuration);
        let engine = engine.clone();
        let handler =
            Self { engine, limits, spec, roles, from_cache, configuration, exports, linked };
        Ok(Arc::new(handler))
    }

    /// What the handler is: for the topology, and for provenance.
    #[must_use]
    pub fn spec(&self) -> &HandlerSpec {
        &self.spec
    }

    /// The roles that it exports.
    #[must_use]
    pub fn roles(&self) -> Roles {
        self.roles
    }

    /// Its limits.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether its code came from the cache.
    #[must_use]
    pub fn from_cache(&self) -> bool {
        self.from_cache
    }

    /// A guest for one shard. The sandbox itself is made at the first call.
    #[must_use]
    pub fn instance(self: &Arc<Self>) -> GuestInstance {
        GuestInstance::new(Arc::clone(self))
    }

    /// What it says of itself.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.spec.manifest
    }

    /// A fresh sandbox.
    pub(crate) fn start(&self) -> Result<Live, Fault> {
        let name = Arc::clone(&self.spec.name);
        let host = Host::new(Arc::clone(&self.limits), name, Arc::clone(&self.configuration));
        let (store, instance) = start(&self.engine, &self.linked, host)?;
        Ok(Live::new(store, &instance, &self.exports))
    }
}

/// A component with its imports.
struct Linked {
    instances: InstancePre<Host>,
    class: Class,
}

/// A sandbox that runs: a store with its instance's functions.
pub(crate) struct Live {
    pub(crate) store: Store<Host>,
    pub(crate) functions: Functions,
    pub(crate) calls: u32,
}

/// The exported functions of one instance, of the types that [`Exports::check`] saw.
#[derive(Clone, Copy)]
pub(crate) struct Functions {
    pub(crate) decide: Option<component::Func>,
    pub(crate) evolve: Option<component::Func>,
    pub(crate) react: Option<component::Func>,
    pub(crate) project: Option<component::Func>,
    pub(crate) inspect: Option<component::Func>,
    pub(crate) show: Option<component::Func>,
}

pub(crate) type DecideParams<'a> = (AggregatesIn<'a>, CommandsIn<'a>);
pub(crate) type EvolveParams<'a> = (AggregatesIn<'a>, PastIn<'a>);
pub(crate) type ReactParams<'a> = (EventsIn<'a>,);
pub(crate) type ProjectParams<'a> = (SubjectsIn<'a>, RowsIn<'a>, ProjectedIn<'a>);
pub(crate) type InspectParams<'a> = (AggregatesIn<'a>,);
pub(crate) type ShowParams<'a> = (MessagesIn<'a>,);
pub(crate) type Returned<R> = (Result<R, FaultOut>,);

impl Live {
    fn new(mut store: Store<Host>, instance: &Instance, exports: &Exports) -> Self {
        let mut find = |index: &Option<ComponentExportIndex>| {
            index.as_ref().and_then(|index| instance.get_func(&mut store, index))
        };
        let functions = Functions {
            decide: find(&exports.decide),
            evolve: find(&exports.evolve),
            react: find(&exports.react),
            project: find(&exports.project),
            inspect: find(&exports.inspect),
            show: find(&exports.show),
        };
        Self { store, functions, calls: 0 }
    }
}

/// Where the functions are among a component's exports.
struct Exports {
    describe: ComponentExportIndex,
    decide: Option<ComponentExportIndex>,
    evolve: Option<ComponentExportIndex>,
    react: Option<ComponentExportIndex>,
    project: Option<ComponentExportIndex>,
    inspect: Option<ComponentExportIndex>,
    show: Option<ComponentExportIndex>,
}

impl Exports {
    fn find(component: &Component, roles: Roles) -> Result<Self, LoadError> {
        let of = |role: bool, interface, function| {
            role.then(|| find(component, interface, function)).transpose()
        };
        Ok(Self {
            describe: find(component, MANIFEST, "describe")?,
            decide: of(roles.command_handler, COMMAND_HANDLER, "decide")?,
            evolve: of(roles.command_handler, COMMAND_HANDLER, "evolve")?,
            react: of(roles.event_handler, EVENT_HANDLER, "react")?,
            project: of(roles.projection, PROJECTION, "project")?,
            inspect: of(roles.inspect, INSPECT, "inspect")?,
            show: of(roles.show, SHOW, "show")?,
        })
    }

    /// Checks the types of all functions, once for all instances of the component.
    fn check(&self, instance: &Instance, store: &mut Store<Host>) -> Result<(), LoadError> {
        if let Some(index) = &self.decide {
            typed::<DecideParams, Returned<DecisionOut>>(instance, store, index, COMMAND_HANDLER)?;
        }
        if let Some(index) = &self.evolve {
            typed::<EvolveParams, Returned<StatesOut>>(instance, store, index, COMMAND_HANDLER)?;
        }
        if let Some(index) = &self.react {
            typed::<ReactParams, Returned<SentOut>>(instance, store, index, EVENT_HANDLER)?;
        }
        if let Some(index) = &self.project {
            typed::<ProjectParams, Returned<ChangesOut>>(instance, store, index, PROJECTION)?;
        }
        if let Some(index) = &self.inspect {
            typed::<InspectParams, Returned<BlobsOut>>(instance, store, index, INSPECT)?;
        }
        if let Some(index) = &self.show {
            typed::<ShowParams, Returned<BlobsOut>>(instance, store, index, SHOW)?;
        }
        Ok(())
    }
}

const MANIFEST: &str = "zamu:handler/manifest@0.1.0";
const COMMAND_HANDLER: &str = "zamu:handler/command-handler@0.1.0";
const EVENT_HANDLER: &str = "zamu:handler/event-handler@0.1.0";
const PROJECTION: &str = "zamu:handler/projection@0.1.0";
const INSPECT: &str = "zamu:handler/inspect@0.1.0";
const SHOW: &str = "zamu:handler/show@0.1.0";

fn compile(
    engine: &Engine,
    wasm: &[u8],
    digest: &str,
    cache: Option<&Cache>,
) -> Result<(Component, bool), LoadError> {
    let key = Key::new(digest, engine.compile_key());
    let cached = cache.and_then(|cache| cache.read(&key));
    if let Some(component) = cached.and_then(|code| load_code(engine, &code).ok()) {
        return Ok((component, true));
    }
    let failed = |error: wasmtime::Error| LoadError::Compile(format!("{error:#}"));
    let code = engine.compiler().precompile_component(wasm).map_err(failed)?;
    if let Some(cache) = cache {
        cache.write(&key, &code);
    }
    Ok((load_code(engine, &code).map_err(failed)?, false))
}

fn load_code(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: the code was made by this program's own engine: just now, or earlier and kept in a
    // directory that only this user may write; its checksum was compared in this very buffer.
    unsafe { Component::deserialize(engine.wasmtime(), code) }
}

fn link(
    engine: &Engine,
    component: &Component,
    class: Class,
) -> Result<InstancePre<Host>, LoadError> {
    let mut linker = Linker::new(engine.wasmtime());
    imports::define(&mut linker)
        .and_then(|()| match class {
            Class::Pure => Ok(()),
            Class::Std => wasi::define(&mut linker),
        })
        .and_then(|()| linker.instantiate_pre(component))
        .map_err(|error| LoadError::Imports(format!("{error:#}")))
}

fn find(
    component: &Component,
    interface: &'static str,
    function: &str,
) -> Result<ComponentExportIndex, LoadError> {
    component
        .get_export_index(None, interface)
        .and_then(|index| component.get_export_index(Some(&index), function))
        .ok_or_else(|| LoadError::Shape {
            interface,
            problem: format!("there is no function {function}"),
        })
}

fn typed<Params, Results>(
    instance: &Instance,
    store: &mut Store<Host>,
    index: &ComponentExportIndex,
    interface: &'static str,
) -> Result<component::TypedFunc<Params, Results>, LoadError>
where
    Params: ComponentNamedList + Lower,
    Results: ComponentNamedList + Lift,
{
    instance
        .get_typed_func(store, index)
        .map_err(|error| LoadError::Shape { interface, problem: format!("{error:#}") })
}

/// A store with all its fences up, and an instance in it.
fn start(engine: &Engine, linked: &Linked, host: Host) -> Result<(Store<Host>, Instance), Fault> {
    let limits = Arc::clone(&host.limits);
    let mut store = Store::new(engine.wasmtime(), host);
    store.limiter(|host| &mut host.memory);
    store.epoch_deadline_callback(on_tick);
    store.set_epoch_deadline(1);
    store.set_hostcall_fuel(limits.output_bytes);
    store.set_max_component_handles(match linked.class {
        Class::Pure => 0,
        Class::Std => wasi::HANDLES_MAX,
    });
    let fuel = store.data_mut().begin_start("instantiation");
    let instance = store.set_fuel(fuel).and_then(|()| linked.instances.instantiate(&mut store));
    match instance {
        Ok(instance) => Ok((store, instance)),
        Err(error) => Err(fault::of_start(&error, store.data())),
    }
}

/// Starts the component once and asks what it is.
fn ask(
    engine: &Engine,
    linked: &Linked,
    exports: &Exports,
    limits: &Arc<Limits>,
    roles: Roles,
) -> Result<Manifest, LoadError> {
    let host = Host::new(Arc::clone(limits), "(not yet named)".into(), Arc::from([]));
    let (mut store, instance) = start(engine, linked, host).map_err(LoadError::Start)?;
    exports.check(&instance, &mut store)?;
    let describe = typed::<(), (String,)>(&instance, &mut store, &exports.describe, MANIFEST)?;
    let fuel = store.data_mut().begin_start("describe");
    let text = store
        .set_fuel(fuel)
        .and_then(|()| describe.call(&mut store, ()))
        .map_err(|error| LoadError::Start(fault::of_call(&error, store.data())))?;
    store.data_mut().end();
    Ok(manifest::parse(&text.0, roles)?)
}
