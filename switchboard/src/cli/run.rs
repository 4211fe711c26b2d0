//! From what was typed to what does it.

use clap::CommandFactory as _;

use super::{Cli, Command, Keys};
use crate::{
    client::Connector,
    commands::{self, audit, keys, messages, org, provider, routing, send, test_connection, webhooks},
    demo, services,
    services::Service,
    settings::Settings,
    up,
};

impl Cli {
    /// Does it.
    ///
    /// # Errors
    /// Why it failed, in words for whoever typed it.
    pub async fn run(self) -> anyhow::Result<()> {
        let flags = self.flags;
        // What these say is their answer; the log is for whoever asks for it.
        let quiet = || Settings::load(&flags, &[("log.filter", "warn")]);
        match self.command.unwrap_or(Command::Up) {
            Command::Up => up::run(&flags).await,
            Command::Demo => demo::run(&flags).await,
            Command::ConfigService => services::run(Service::Configuration, &flags).await,
            Command::Dispatcher => services::run(Service::Dispatcher, &flags).await,
            Command::WebhookGateway => services::run(Service::Gateway, &flags).await,
            Command::VendorSim(args) => services::run_vendors(&flags, args.webhooks.as_deref()).await,
            Command::Migrate { database } => commands::migrate::run(&quiet()?, database).await,
            Command::Health(health) => health.run(&quiet()?).await,
            Command::Keys(group) => match group.action {
                Keys::Generate { file } => keys::generate(&quiet()?, file, group.output.output),
                Keys::Snapshot { file } => keys::snapshot(&quiet()?, file, group.output.output),
                Keys::Rotate => keys::rotate(&quiet()?, group.output.output).await,
            },
            Command::Org(group) => {
                org::run(group.action, &Connector::new(&flags, &group.client, group.output.output)?).await
            }
            Command::Provider(group) => {
                provider::run(group.action, &Connector::new(&flags, &group.client, group.output.output)?).await
            }
            Command::Routing(group) => {
                routing::run(group.action, &Connector::new(&flags, &group.client, group.output.output)?).await
            }
            Command::TestConnection(whole) => {
                test_connection::run(whole.action, &Connector::new(&flags, &whole.client, whole.output.output)?).await
            }
            Command::Send(group) => {
                send::run(group.action, &Connector::new(&flags, &group.client, group.output.output)?).await
            }
            Command::Messages(group) => {
                messages::run(group.action, &Connector::new(&flags, &group.client, group.output.output)?).await
            }
            Command::Webhooks(group) => {
                webhooks::run(group.action, &Connector::new(&flags, &group.client, group.output.output)?).await
            }
            Command::Audit(group) => {
                audit::run(group.action, &Connector::new(&flags, &group.client, group.output.output)?).await
            }
            Command::Completions { shell } => {
                clap_complete::generate(shell, &mut Self::command(), "switchboard", &mut std::io::stdout());
                Ok(())
            }
        }
    }
}
