//! What goes to standard output: lines, tables, JSON.

use std::{
    fmt::Display,
    io::{self, IsTerminal as _, Write as _},
    sync::LazyLock,
};

use anyhow::Context as _;
use chrono::{DateTime, FixedOffset, Utc};
use clap::{Args, ValueEnum};
use comfy_table::{ContentArrangement, Table, presets};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use prost_types::Timestamp;
use switchboard_runtime::wire::from_timestamp;

/// Korea has one offset and no summer time; the people who read these tables are there.
const KST_SECONDS: i32 = 9 * 3600;

/// How a reading command answers.
#[derive(Args, Clone, Copy, Debug)]
pub struct OutputArgs {
    /// How the answer looks: table, for people, or json, for programs
    #[arg(long, short, global = true, value_enum, default_value_t = Format::Table, value_name = "FORMAT")]
    #[arg(hide_possible_values = true)]
    pub output: Format,
}

/// The looks of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Table,
    /// For programs: the message of the contract, fields named as there
    Json,
}

/// Whoever read standard output has seen enough. Connections break in the same words, so it is told apart here.
#[derive(Debug, thiserror::Error)]
#[error("standard output is closed")]
pub struct Closed;

/// Writes a line.
///
/// # Errors
/// When standard output cannot be written to; [`Closed`] within when it is closed.
pub fn line(text: impl Display) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{text}").map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => io::Error::new(io::ErrorKind::BrokenPipe, Closed),
        _ => error,
    })
}

/// Writes a table, or in place of one without rows the sentence `nothing`.
///
/// # Errors
/// When standard output is closed.
pub fn table<const N: usize>(header: [&str; N], rows: Vec<[String; N]>, nothing: &str) -> io::Result<()> {
    if rows.is_empty() {
        return line(nothing);
    }
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header(header).add_rows(rows);
    if io::stdout().is_terminal() {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    line(table)
}

/// Writes a message of the contract as JSON, fields named as in the `.proto`.
///
/// # Errors
/// When standard output is closed.
pub fn json(full_name: &str, message: &impl Message) -> anyhow::Result<()> {
    line(serde_json::to_string_pretty(&to_json(full_name, message)?)?)?;
    Ok(())
}

fn to_json(full_name: &str, message: &impl Message) -> anyhow::Result<serde_json::Value> {
    static POOL: LazyLock<Option<DescriptorPool>> =
        LazyLock::new(|| DescriptorPool::decode(switchboard_proto::FILE_DESCRIPTOR_SET).ok());
    let descriptor = POOL
        .as_ref()
        .and_then(|pool| pool.get_message_by_name(full_name))
        .with_context(|| format!("the contract has no message {full_name}"))?;
    let dynamic = DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice())?;
    let options =
        SerializeOptions::new().use_proto_field_name(true).stringify_64_bit_integers(false).skip_default_fields(false);
    Ok(dynamic.serialize_with_options(serde_json::value::Serializer, &options)?)
}

/// An instant as people in Korea write it, to the second; empty when unset.
pub fn time(timestamp: Option<&Timestamp>) -> String {
    in_korea(timestamp, "%Y-%m-%d %H:%M:%S")
}

/// The time of day, to the millisecond.
pub fn clock(timestamp: Option<&Timestamp>) -> String {
    in_korea(timestamp, "%H:%M:%S%.3f")
}

fn in_korea(timestamp: Option<&Timestamp>, format: &str) -> String {
    let instant: Option<DateTime<Utc>> = timestamp.and_then(|timestamp| from_timestamp(timestamp).ok());
    match (instant, FixedOffset::east_opt(KST_SECONDS)) {
        (Some(instant), Some(korea)) => instant.with_timezone(&korea).format(format).to_string(),
        _ => String::new(),
    }
}

/// The last part of an enum's name in the contract: `DELIVERED` of `MESSAGE_STATUS_DELIVERED`.
pub fn word(name: &'static str, prefix: &str) -> &'static str {
    match name.strip_prefix(prefix) {
        Some("UNSPECIFIED") => "",
        Some(word) => word,
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use switchboard_proto::dispatch::v1::{Message, MessageStatus};

    use super::*;

    #[test]
    fn json_names_fields_as_the_contract_does() {
        let message = Message {
            message_id: "m".to_owned(),
            status: MessageStatus::Delivered.into(),
            config_revision: 7,
            ..Message::default()
        };
        let json = to_json("switchboard.dispatch.v1.Message", &message).unwrap();
        assert_eq!(json["message_id"], "m");
        assert_eq!(json["status"], "MESSAGE_STATUS_DELIVERED");
        assert_eq!(json["config_revision"], 7);
        assert_eq!(json["provider"], "");
    }

    #[test]
    fn times_are_koreas() {
        let midnight = Timestamp { seconds: 1_700_000_000, nanos: 5_000_000 };
        assert_eq!(time(Some(&midnight)), "2023-11-15 07:13:20");
        assert_eq!(clock(Some(&midnight)), "07:13:20.005");
        assert_eq!(time(None), "");
    }
}
