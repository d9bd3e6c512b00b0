//! Values of a file, each with its place, and what holds where `[defaults]` has one too.

use std::ops::Range;

use ::toml::Spanned;

/// A value, if it was said, with its place.
pub type At<T> = Option<Spanned<T>>;

/// What a file says of something.
pub trait Said {
    /// What is said of a process over what is said of all: lists are joined, of all else the first holds.
    #[must_use]
    fn over(&self, all: &Self) -> Self;

    /// Where it is said, or the first of it.
    fn at(&self) -> Option<Range<usize>>;
}

impl<T: Clone> Said for At<T> {
    fn over(&self, all: &Self) -> Self {
        self.as_ref().or(all.as_ref()).cloned()
    }

    fn at(&self) -> Option<Range<usize>> {
        self.as_ref().map(Spanned::span)
    }
}

impl<T: Clone> Said for Vec<Spanned<T>> {
    fn over(&self, all: &Self) -> Self {
        all.iter().chain(self).cloned().collect()
    }

    fn at(&self) -> Option<Range<usize>> {
        self.first().map(Spanned::span)
    }
}

/// A value without its place.
pub fn value<T: Clone>(at: &At<T>) -> Option<T> {
    at.as_ref().map(|at| at.get_ref().clone())
}

/// For a table, each key of which holds for itself.
macro_rules! said_by_key {
    ($table:ident: $($key:ident)*) => {
        impl $crate::config::toml::Said for $table {
            fn over(&self, all: &Self) -> Self {
                Self { $($key: self.$key.over(&all.$key),)* }
            }

            fn at(&self) -> Option<std::ops::Range<usize>> {
                [$(self.$key.at()),*].into_iter().flatten().next()
            }
        }
    };
}
pub(super) use said_by_key;
