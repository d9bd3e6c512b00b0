//! Values with their place in the file, and how those of a process override those of `[defaults]`.

use std::ops::Range;

use ::toml::Spanned;

/// An optional value with its place in the file.
pub type At<T> = Option<Spanned<T>>;

/// The value of a key, as it is written in the file.
pub trait Said {
    /// Combine the value of a process with that of `[defaults]`: lists are joined, anything else is
    /// overridden.
    #[must_use]
    fn over(&self, all: &Self) -> Self;

    /// The place of the value, or of its first item.
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

/// Implements [`Said`] for a table whose keys are overridden one by one.
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
