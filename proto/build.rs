//! Compiles the `.proto` files without `protoc`, and keeps their descriptors (with comments) for server reflection and
//! for the tests of the contract.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message as _;

const FILES: [&str; 11] = [
    "switchboard/common/v1/channel.proto",
    "switchboard/dispatch/v1/message.proto",
    "switchboard/dispatch/v1/message_service.proto",
    "switchboard/dispatch/v1/delivery_status_service.proto",
    "switchboard/dispatch/v1/webhook_admin_service.proto",
    "switchboard/config/v1/organization.proto",
    "switchboard/config/v1/provider.proto",
    "switchboard/config/v1/routing.proto",
    "switchboard/config/v1/audit.proto",
    "switchboard/config/v1/config_admin_service.proto",
    "switchboard/config/v1/config_watch_service.proto",
];

/// Messages that carry secrets: `src/secret.rs` says how they print.
const SECRET: [&str; 5] = [
    ".switchboard.config.v1.CreateProviderConfigRequest",
    ".switchboard.config.v1.UpdateProviderConfigRequest",
    ".switchboard.config.v1.TestConnectionRequest",
    ".switchboard.config.v1.ProviderAccount",
    ".switchboard.config.v1.WebhookSecret",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=switchboard");
    let descriptors = protox::Compiler::new(["."])?
        .include_imports(true)
        .include_source_info(true)
        .open_files(FILES)?
        .file_descriptor_set();
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .bytes(".switchboard.dispatch.v1.Image.data")
        .skip_debug(SECRET)
        .compile_fds(descriptors)?;
    Ok(())
}
