//! Credentials from the command line, so that secrets stay out of the shell's history.

use std::{
    collections::HashMap,
    io::{self, BufRead as _, IsTerminal as _, Write as _},
    path::PathBuf,
};

use anyhow::Context as _;
use clap::Args;

use crate::{exit::Usage, settings::pair};

/// Where the fields of a vendor's form come from.
#[derive(Args, Clone, Debug, Default)]
pub struct Fields {
    /// A field of the vendor's form; for secrets use one of the next two, as a shell keeps a history
    #[arg(long = "field", value_name = "KEY=VALUE", value_parser = pair)]
    plain: Vec<(String, String)>,
    /// A field whose value is the content of a file
    #[arg(long = "field-file", value_name = "KEY=FILE", value_parser = pair)]
    files: Vec<(String, String)>,
    /// A field whose value is read from standard input, one line for each such field in the order given
    #[arg(long = "field-stdin", value_name = "KEY")]
    stdin: Vec<String>,
}

impl Fields {
    /// Whether none was given.
    pub fn is_empty(&self) -> bool {
        self.plain.is_empty() && self.files.is_empty() && self.stdin.is_empty()
    }

    /// Reads all of them.
    ///
    /// # Errors
    /// When a file cannot be read, standard input ends too early, or a field is given twice.
    pub fn read(&self) -> anyhow::Result<HashMap<String, String>> {
        let mut fields = HashMap::new();
        let mut put = |key: &str, value: String| match fields.insert(key.to_owned(), value) {
            None => Ok(()),
            Some(_) => Err(Usage::new(format!("the field {key} is given twice"))),
        };
        for (key, value) in &self.plain {
            put(key, value.clone())?;
        }
        for (key, file) in &self.files {
            let path = PathBuf::from(file);
            let content = std::fs::read_to_string(&path)
                .with_context(|| format!("the file {} for the field {key} cannot be read", path.display()))?;
            put(key, content.trim_end_matches(['\n', '\r']).to_owned())?;
        }
        for key in &self.stdin {
            let value = ask(key)?;
            put(key, value)?;
        }
        Ok(fields)
    }
}

/// Reads a line from standard input, saying what for when a person is there.
pub(crate) fn ask(what: &str) -> anyhow::Result<String> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        write!(io::stderr(), "{what}: ")?;
        io::stderr().flush()?;
    }
    let mut line = String::new();
    let read =
        stdin.lock().read_line(&mut line).with_context(|| format!("{what} cannot be read from standard input"))?;
    if read == 0 {
        return Err(Usage::new(format!("standard input ended before {what}")).into());
    }
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}
