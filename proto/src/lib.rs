//! The contract between Switchboard and its callers, and between its services: the code generated from the `.proto`
//! files beside this crate. Those files are where it is documented.

mod secret;

/// What both contracts share.
pub mod common {
    /// `switchboard.common.v1`.
    pub mod v1 {
        tonic::include_proto!("switchboard.common.v1");
    }
}

/// Sending messages, reading their history, reporting their results.
pub mod dispatch {
    /// `switchboard.dispatch.v1`.
    pub mod v1 {
        tonic::include_proto!("switchboard.dispatch.v1");
    }
}

/// Organisations, vendor credentials, routing, audit trail and the watch.
pub mod config {
    /// `switchboard.config.v1`.
    pub mod v1 {
        tonic::include_proto!("switchboard.config.v1");
    }
}

/// Every file above and its imports as an encoded `google.protobuf.FileDescriptorSet`, with comments: for server
/// reflection and for tests that walk the contract.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
