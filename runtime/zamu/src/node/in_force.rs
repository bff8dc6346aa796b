//! The handlers that are in force, and what follows from them: replaced as a whole when others take
//! over. Who looks at several of these looks at one [`Handlers`].

use std::sync::{Arc, PoisonError, RwLock};

use zamu_core::topology::Topology;
use zamu_wasm::Handler;

use super::Kinds;

/// The handlers of a deployment.
pub struct Handlers {
    /// Who does what.
    pub topology: Arc<Topology>,
    /// The kinds of commands that are taken.
    pub kinds: Kinds,
    /// In the topology's order.
    pub loaded: Vec<Arc<Handler>>,
}

/// Those that are in force now.
pub struct InForce(RwLock<Arc<Handlers>>);

impl Handlers {
    fn new(topology: Arc<Topology>, loaded: Vec<Arc<Handler>>) -> Self {
        Self { kinds: Kinds::new(&topology), topology, loaded }
    }
}

impl InForce {
    /// These.
    #[must_use]
    pub fn new(topology: Arc<Topology>, loaded: Vec<Arc<Handler>>) -> Self {
        Self(RwLock::new(Arc::new(Handlers::new(topology, loaded))))
    }

    /// Those that are in force.
    #[must_use]
    pub fn now(&self) -> Arc<Handlers> {
        // It is replaced as a whole: it is never half changed.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on these are.
    pub fn replace(&self, topology: Arc<Topology>, loaded: Vec<Arc<Handler>>) {
        let handlers = Arc::new(Handlers::new(topology, loaded));
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = handlers;
    }
}
