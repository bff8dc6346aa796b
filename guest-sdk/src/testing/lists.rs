//! Lists of messages as tests write them.

/// Messages of an enum `M`, given as an array or `Vec` of one body type (or of `M` itself), or as a
/// tuple of different bodies.
pub trait MessageList<M> {
    /// The messages, in order.
    fn into_messages(self) -> Vec<M>;
}

impl<M, T: Into<M>, const N: usize> MessageList<M> for [T; N] {
    fn into_messages(self) -> Vec<M> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<M, T: Into<M>> MessageList<M> for Vec<T> {
    fn into_messages(self) -> Vec<M> {
        self.into_iter().map(Into::into).collect()
    }
}

macro_rules! tuples {
    ($($(($name:ident $index:tt))+;)+) => {
        $(
            impl<M, $($name: Into<M>),+> MessageList<M> for ($($name,)+) {
                fn into_messages(self) -> Vec<M> {
                    vec![$(self.$index.into()),+]
                }
            }
        )+
    };
}

tuples! {
    (A 0);
    (A 0) (B 1);
    (A 0) (B 1) (C 2);
    (A 0) (B 1) (C 2) (D 3);
    (A 0) (B 1) (C 2) (D 3) (E 4);
    (A 0) (B 1) (C 2) (D 3) (E 4) (F 5);
    (A 0) (B 1) (C 2) (D 3) (E 4) (F 5) (G 6);
    (A 0) (B 1) (C 2) (D 3) (E 4) (F 5) (G 6) (H 7);
}
