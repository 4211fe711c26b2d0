//! A file of mode 0600.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use switchboard_runtime::private_file::{self, PrivateFileError};

use super::{Label, Shelf, ShelfError};
use crate::resolver::kept::seal::LONGEST_LABEL;

/// A file of mode 0600.
pub struct FileShelf {
    path: PathBuf,
}

impl FileShelf {
    /// The file `path`, which need not be there. One beside it, with `.lock` at the end of its name, says who writes.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    async fn away<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Path) -> Result<T, ShelfError> + Send + 'static,
    ) -> Result<T, ShelfError> {
        let path = self.path.clone();
        let done = tokio::task::spawn_blocking(move || work(&path)).await;
        done.unwrap_or_else(|_| Err(ShelfError("the work was given up".to_owned())))
    }
}

#[async_trait]
impl Shelf for FileShelf {
    async fn label(&self) -> Result<Option<Label>, ShelfError> {
        self.away(label).await
    }

    async fn take(&self) -> Result<Option<Vec<u8>>, ShelfError> {
        self.away(|path| match private_file::read(path) {
            // It is sealed: nothing has to be wiped.
            Ok(mut content) => Ok(Some(std::mem::take(&mut *content))),
            Err(PrivateFileError::Unreadable { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(ShelfError(error.to_string())),
        })
        .await
    }

    async fn put(&self, new: &Label, sealed: Vec<u8>) -> Result<bool, ShelfError> {
        let new = new.clone();
        self.away(move |path| {
            let mut beside = path.as_os_str().to_owned();
            beside.push(".lock");
            let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&beside);
            let lock = lock.map_err(|error| failed(Path::new(&beside), &error))?;
            lock.lock().map_err(|error| failed(Path::new(&beside), &error))?;
            if label(path)?.is_some_and(|there| there.supersedes(&new)) {
                return Ok(false);
            }
            private_file::replace(path, &sealed).map_err(|error| ShelfError(error.to_string()))?;
            Ok(true)
        })
        .await
    }
}

fn label(path: &Path) -> Result<Option<Label>, ShelfError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(path, &error)),
    };
    let mut beginning = Vec::with_capacity(LONGEST_LABEL);
    file.take(LONGEST_LABEL as u64).read_to_end(&mut beginning).map_err(|error| failed(path, &error))?;
    Ok(Label::read(&beginning).ok())
}

fn failed(path: &Path, error: &io::Error) -> ShelfError {
    ShelfError(format!("{}: {error}", path.display()))
}
