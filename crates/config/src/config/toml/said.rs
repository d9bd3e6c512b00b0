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

/// The values of a list without their places.
pub(super) fn plain<T: Clone>(list: &[Spanned<T>]) -> Vec<T> {
    list.iter().map(|item| item.get_ref().clone()).collect()
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

/// A table whose keys are overridden one by one: for each field the names of its key, of which a file has one, each
/// with the method that reads it, its kind, default and description.
macro_rules! table_rows {
    ($table:ident, $keys:ident: $($field:ident: $type:ty {
        $($name:literal, $read:ident, $kind:expr, $default:expr, $about:literal;)+
    })*) => {
        #[derive(Debug, Clone, PartialEq, Eq, Default)]
        pub struct $table {
            $(pub $field: At<$type>,)*
        }

        said_by_key!($table: $($field)*);

        const $keys: &[Key] = key_rows! { $($($name, $kind, $default, $about;)+)* };

        impl $table {
            fn parse(view: Table<'_, '_>) -> Self {
                Self { $($field: view.either([$(view.$read($name)),+], [$($name),+]),)* }
            }
        }
    };
}
pub(super) use table_rows;
