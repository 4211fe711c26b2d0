//! Child processes and what they cost.

mod child;
mod machine;
mod usage;

use std::{io, net::TcpListener};

pub(crate) use child::{Child, own_program};
pub(crate) use machine::machine;
pub(crate) use usage::{Cost, Group, peak_rss_mib, rss_mib};

/// A port of the loopback address that nobody uses at this moment.
///
/// # Errors
/// When there is none.
pub(crate) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
