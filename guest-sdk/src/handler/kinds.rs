//! A role's list of kinds in the manifest, where a kind stands once for each form of its bodies.

use super::manifest::Manifest;
use crate::codec::Codec;
use crate::columns::Fault;
use crate::messages::{Kind, Messages};

/// The manifest's indices, by the role's own index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kinds(Vec<Forms>);

/// One kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Forms {
    json: u32,
    protobuf: Option<u32>,
}

impl Kinds {
    /// Those of `M`.
    pub(super) fn of<M: Messages>(manifest: &mut Manifest) -> Self {
        Self::find(M::KINDS, |kind, codec| manifest.kind_index(kind, codec))
    }

    /// With these indices of each form that there is.
    pub(crate) fn find(kinds: &[Kind], mut index: impl FnMut(Kind, Codec) -> u32) -> Self {
        let forms = |kind: &Kind| Forms {
            json: index(*kind, Codec::Json),
            protobuf: kind.has_protobuf.then(|| index(*kind, Codec::Protobuf)),
        };
        Self(kinds.iter().map(forms).collect())
    }

    /// The form in which a message of this kind is written where that one is chosen, and the manifest's
    /// kind.
    pub(crate) fn written(&self, own: usize, chosen: Codec) -> (Codec, u32) {
        match (chosen, self.0[own]) {
            (Codec::Protobuf, Forms { protobuf: Some(kind), .. }) => (Codec::Protobuf, kind),
            (_, Forms { json, .. }) => (Codec::Json, json),
        }
    }

    /// The role's own index of a manifest's kind, and the form of its bodies, among those of which
    /// `is_meant` is true.
    pub(crate) fn read_where(
        &self,
        kind: u32,
        is_meant: impl Fn(usize) -> bool,
    ) -> Option<(usize, Codec)> {
        self.0.iter().enumerate().find_map(|(own, forms)| match *forms {
            Forms { json, .. } if json == kind && is_meant(own) => Some((own, Codec::Json)),
            Forms { protobuf, .. } if protobuf == Some(kind) && is_meant(own) => {
                Some((own, Codec::Protobuf))
            }
            _ => None,
        })
    }

    /// The role's own index of a manifest's kind, and the form of its bodies.
    pub(crate) fn read(&self, kind: u32) -> Option<(usize, Codec)> {
        self.read_where(kind, |_| true)
    }

    /// As [`Kinds::read`].
    ///
    /// # Errors
    /// If the role has no such kind.
    pub(super) fn taken(&self, kind: u32) -> Result<(usize, Codec), Fault> {
        self.read(kind).ok_or(Fault::UnsupportedKind(kind))
    }

    /// The manifest's kinds of the role's own kind.
    pub(crate) fn forms(&self, own: usize) -> impl Iterator<Item = u32> + use<> {
        let Forms { json, protobuf } = self.0[own];
        [json].into_iter().chain(protobuf)
    }

    /// All of the manifest's kinds that the role has.
    pub(crate) fn all(&self) -> impl Iterator<Item = u32> {
        (0..self.0.len()).flat_map(|own| self.forms(own))
    }
}
