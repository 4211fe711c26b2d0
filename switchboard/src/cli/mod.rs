//! What can be typed.

mod run;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::{
    client::ClientArgs,
    commands::{audit, health, messages, org, provider, routing, send, test_connection, webhooks},
    output::OutputArgs,
    settings::Flags,
};

const EXAMPLES: &str = "\
Examples:
  switchboard                      everything in this process, with simulated vendors and demo organisations
  switchboard demo                 one round of every kind of message, explained, then ends
  switchboard send sms --org hanbit --to 010-1234-5678 --text '안녕하세요' --watch
  switchboard routing set hanbit --primary sendtalk
  switchboard messages stuck --org hanbit

Settings come from a TOML file (--config), over it SWITCHBOARD_… variables (SWITCHBOARD_DISPATCHER__LISTEN is
dispatcher.listen), over them flags. Exit codes: 0 done, 1 failed, 2 typed or set wrongly.";

/// Sends each organisation's messages through the vendor it has chosen
#[derive(Parser, Debug)]
#[command(name = "switchboard", version, after_help = EXAMPLES, disable_help_subcommand = true)]
pub struct Cli {
    /// Settings.
    #[command(flatten)]
    pub flags: Flags,
    /// What to do; nothing is `up`.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Runs everything in this process, with simulated vendors and demo organisations (the default)
    Up,
    /// Shows the main job once, on free ports and in a temporary folder
    Demo,
    /// Runs config-service: organisations, credentials, routing, audit trail, the watch
    ConfigService,
    /// Runs the dispatcher: sends, and keeps the history
    Dispatcher,
    /// Runs the webhook gateway: takes the vendors' callbacks
    WebhookGateway,
    /// Runs both simulated vendors
    VendorSim(VendorSim),
    /// Brings the databases of the settings to this version; safe to run twice, and at the same time
    Migrate {
        /// Only the database of this service [default: both]
        #[arg(value_enum)]
        database: Option<Database>,
    },
    /// Asks a service on this machine whether it can do its job: exit code 0 if so
    #[command(after_help = health::EXAMPLES)]
    Health(health::Health),
    /// Makes the keys that seal credentials, and rotates them
    Keys(KeysGroup),
    /// Organisations
    Org(Client<org::Action>),
    /// Vendors, and the credentials of an organisation with them
    Provider(Client<provider::Action>),
    /// Which vendor carries an organisation's messages
    Routing(Client<routing::Action>),
    /// Tests credentials with a vendor, without sending a message
    #[command(after_help = test_connection::EXAMPLES)]
    TestConnection(Whole<test_connection::Test>),
    /// Sends a message
    Send(Client<send::Action>),
    /// The history of messages
    Messages(Client<messages::Action>),
    /// What the vendors' callbacks brought that could not simply be applied
    Webhooks(Client<webhooks::Action>),
    /// The trail of who did what
    Audit(Client<audit::Action>),
    /// Prints a completion script for a shell
    #[command(
        after_help = "Example:\n  switchboard completions bash > ~/.local/share/bash-completion/completions/switchboard"
    )]
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// Flags of the simulated vendors.
#[derive(Args, Debug)]
pub struct VendorSim {
    /// Address of the webhook gateway that the seeded accounts' callbacks go to, such as http://127.0.0.1:7003
    #[arg(long, value_name = "URL")]
    pub webhooks: Option<String>,
}

/// A service that has a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Database {
    /// Organisations, credentials, routing, audit trail.
    ConfigService,
    /// The history.
    Dispatcher,
}

/// The keys that seal credentials.
#[derive(Args, Debug)]
pub struct KeysGroup {
    /// What to do.
    #[command(subcommand)]
    pub action: Keys,
    /// How the answer looks.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// What to do with the keys.
#[derive(Subcommand, Debug)]
pub enum Keys {
    /// Makes a key ring with mode 0600; one that exists is kept
    Generate {
        /// Where [default: the setting config_service.key_file]
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Makes the key that seals what dispatchers keep for a start without config-service, with mode 0600; one that exists
    /// is kept. Dispatchers that share a Redis share it
    Snapshot {
        /// Where [default: the setting dispatcher.snapshot_key_file]
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Adds a key and re-wraps every record with it, while the services run; killed half way, run it again
    Rotate,
}

/// A group of commands that call a service.
#[derive(Args, Debug)]
pub struct Client<A: Subcommand> {
    /// What to do.
    #[command(subcommand)]
    pub action: A,
    /// Where the services are.
    #[command(flatten)]
    pub client: ClientArgs,
    /// How the answer looks.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// A single command that calls a service.
#[derive(Args, Debug)]
pub struct Whole<A: Args> {
    /// What to do.
    #[command(flatten)]
    pub action: A,
    /// Where the services are.
    #[command(flatten)]
    pub client: ClientArgs,
    /// How the answer looks.
    #[command(flatten)]
    pub output: OutputArgs,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_command_is_up() {
        assert!(Cli::try_parse_from(["switchboard"]).unwrap().command.is_none());
    }

    #[test]
    fn client_flags_may_stand_after_the_command() {
        let typed = ["switchboard", "org", "list", "--output", "json", "--config-service", "http://10.0.0.1:7002"];
        let Some(Command::Org(org)) = Cli::try_parse_from(typed).unwrap().command else { panic!("another command") };
        assert_eq!(org.client.config_service.as_deref(), Some("http://10.0.0.1:7002"));
    }
}
