//! The designs there are.

use clap::ValueEnum;

/// Something to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Design {
    /// Bare tonic
    Echo,
    /// Pool, INSERT commit, POST, UPDATE commit
    Naive,
    /// One writer with dynamic batches, thin HTTP client, PostgreSQL
    Batched,
    /// Two writers and reqwest, PostgreSQL
    BatchedUsual,
    /// As batched, on SQLite
    BatchedSqlite,
    /// Switchboard over PostgreSQL
    Ours,
    /// Switchboard over SQLite
    OursSqlite,
}

impl Design {
    /// All of them, in the order of the table.
    pub(crate) const ALL: [Self; 7] =
        [Self::Echo, Self::Naive, Self::Batched, Self::BatchedUsual, Self::BatchedSqlite, Self::Ours, Self::OursSqlite];

    /// As typed, and as in the JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Naive => "naive",
            Self::Batched => "batched",
            Self::BatchedUsual => "batched-usual",
            Self::BatchedSqlite => "batched-sqlite",
            Self::Ours => "ours",
            Self::OursSqlite => "ours-sqlite",
        }
    }

    /// Whether it needs PostgreSQL.
    pub(crate) fn needs_postgres(self) -> bool {
        matches!(self, Self::Naive | Self::Batched | Self::BatchedUsual | Self::Ours)
    }

    /// Whether it is Switchboard itself.
    pub(crate) fn is_ours(self) -> bool {
        matches!(self, Self::Ours | Self::OursSqlite)
    }
}
