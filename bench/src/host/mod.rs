//! Child processes and what they cost.

mod child;
mod files;
mod machine;
mod usage;

use std::{fs, io, net::TcpListener, os::unix::fs::PermissionsExt as _};

use tempfile::TempDir;

pub(crate) use child::{Child, READY, own_program};
pub(crate) use files::enough_files;
pub(crate) use machine::machine;
pub(crate) use usage::{Group, peak_rss_mib, rss_mib};

/// A port of the loopback address that nobody uses at this moment.
///
/// # Errors
/// When there is none.
pub(crate) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// A folder that goes when it is dropped. Those who are not us may enter it, for PostgreSQL does not run as root.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn folder() -> io::Result<TempDir> {
    let folder = tempfile::Builder::new().prefix("switchboard-bench-").tempdir()?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711))?;
    Ok(folder)
}
