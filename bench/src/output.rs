//! Results go to standard output, progress and notes to standard error, so that `--json` is nothing but JSON.

use std::{
    fmt::Display,
    io::{self, Write as _},
};

use comfy_table::{Table, presets};

/// Writes a line of results.
///
/// # Errors
/// When standard output is closed.
pub(crate) fn line(text: impl Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Writes a line for whoever waits.
pub(crate) fn note(text: impl Display) {
    // Nobody is left to be told when standard error is closed.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// A table for people, and for a Markdown file.
pub(crate) fn table(header: &[&str], rows: Vec<Vec<String>>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header(header).add_rows(rows);
    table
}
