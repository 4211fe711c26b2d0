//! The command line as a client: where the services are, which token is shown, how refusals are told.

use std::{path::PathBuf, time::Duration};

use anyhow::Context as _;
use clap::Args;
use secrecy::SecretString;
use switchboard_proto::{
    config::v1::config_admin_service_client::ConfigAdminServiceClient,
    dispatch::v1::{
        message_service_client::MessageServiceClient, webhook_admin_service_client::WebhookAdminServiceClient,
    },
};
use switchboard_runtime::{
    auth::TokenFile,
    config::TokenSource,
    error::{describe, reason_of},
    grpc::{AuthorizedChannel, client},
    tls::Tls,
};
use tonic::{Code, Request, Status};

use crate::{
    output::Format,
    settings::{Flags, Settings},
};

/// How long a call may take, beyond what it is asked to wait.
const PATIENCE: Duration = Duration::from_secs(30);
/// An MMS carries up to three images of 300 KB.
const LARGEST_ANSWER: usize = 16 << 20;

/// The client of config-service's administration.
pub type Admin = ConfigAdminServiceClient<AuthorizedChannel>;
/// The client of the dispatcher's messages.
pub type Messages = MessageServiceClient<AuthorizedChannel>;
/// The client of what callbacks brought to the dispatcher.
pub type WebhookAdmin = WebhookAdminServiceClient<AuthorizedChannel>;

/// The flags of every command that calls a service.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Connection")]
pub struct ClientArgs {
    /// Where the dispatcher is [default: the address it is set to listen on]
    #[arg(long, global = true, value_name = "URL", env = "SWITCHBOARD_DISPATCHER_URL")]
    pub dispatcher: Option<String>,
    /// Where config-service is [default: the address it is set to listen on]
    #[arg(long, global = true, value_name = "URL", env = "SWITCHBOARD_CONFIG_SERVICE_URL")]
    pub config_service: Option<String>,
    /// Bearer token; better give --token-file or the variable, as other users can see a command's arguments
    #[arg(long, global = true, value_name = "TOKEN", env = "SWITCHBOARD_TOKEN", hide_env_values = true)]
    pub token: Option<SecretString>,
    /// File with nothing but the token [default: the fitting entry of the tokens file]
    #[arg(long, global = true, value_name = "FILE", env = "SWITCHBOARD_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,
}

/// As whom a command calls, when no token is given: an entry of the tokens file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum As {
    /// Sends and reads messages.
    Sender,
    /// Reads and writes configuration.
    Operator,
    /// Also creates organisations and forces.
    Superadmin,
    /// Reads the audit trail.
    Auditor,
}

impl As {
    fn entry(self) -> &'static str {
        match self {
            Self::Sender => "sender",
            Self::Operator => "operator",
            Self::Superadmin => "superadmin",
            Self::Auditor => "auditor",
        }
    }
}

/// Makes clients.
pub struct Connector {
    settings: Settings,
    args: ClientArgs,
    /// How answers look.
    pub format: Format,
}

impl Connector {
    /// Reads the settings for where the services and tokens are.
    ///
    /// # Errors
    /// When a setting is wrong.
    pub fn new(flags: &Flags, args: &ClientArgs, format: Format) -> anyhow::Result<Self> {
        Ok(Self { settings: Settings::load(flags, &[])?, args: args.clone(), format })
    }

    /// Whether the answer is for a program.
    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// A client of config-service.
    ///
    /// # Errors
    /// When there is no token, or the URL is none.
    pub fn admin(&self, who: As) -> anyhow::Result<Admin> {
        let channel = self.channel(&self.config_service_url(), who).context("--config-service")?;
        Ok(Admin::new(channel).max_decoding_message_size(LARGEST_ANSWER))
    }

    /// A client of the dispatcher.
    ///
    /// # Errors
    /// When there is no token, or the URL is none.
    pub fn messages(&self, who: As) -> anyhow::Result<Messages> {
        let channel = self.channel(&self.dispatcher_url(), who).context("--dispatcher")?;
        Ok(Messages::new(channel).max_decoding_message_size(LARGEST_ANSWER))
    }

    /// A client of what callbacks brought to the dispatcher.
    ///
    /// # Errors
    /// When there is no token, or the URL is none.
    pub fn webhooks(&self, who: As) -> anyhow::Result<WebhookAdmin> {
        let channel = self.channel(&self.dispatcher_url(), who).context("--dispatcher")?;
        Ok(WebhookAdmin::new(channel).max_decoding_message_size(LARGEST_ANSWER))
    }

    fn channel(&self, url: &str, who: As) -> anyhow::Result<AuthorizedChannel> {
        let tls = Tls::once(&self.settings.tls)?;
        Ok(client::channel_over(url, self.token(who)?, &tls.client)?)
    }

    fn dispatcher_url(&self) -> String {
        let listen = self.settings.dispatcher.listen.address();
        self.args.dispatcher.clone().unwrap_or_else(|| self.settings.grpc_url(listen))
    }

    fn config_service_url(&self) -> String {
        let listen = self.settings.config_service.listen.address();
        self.args.config_service.clone().unwrap_or_else(|| self.settings.grpc_url(listen))
    }

    fn token(&self, who: As) -> anyhow::Result<SecretString> {
        if self.args.token.is_some() || self.args.token_file.is_some() {
            let source = TokenSource { token: self.args.token.clone(), token_file: self.args.token_file.clone() };
            return Ok(source.resolve("client", who.entry(), None)?);
        }
        TokenFile::read(&self.settings.tokens_file())
            .and_then(|file| file.token_of(who.entry()))
            .context("no token: start `switchboard up`, which makes a tokens file, or give --token-file")
    }
}

/// A request that does not wait for ever.
pub fn request<T>(message: T) -> Request<T> {
    patient(message, None)
}

/// A request whose answer is asked to wait for `extra`.
pub fn patient<T>(message: T, extra: Option<Duration>) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(PATIENCE + extra.unwrap_or_default());
    request
}

/// A refusal as one sentence.
#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
pub fn refused(status: Status) -> anyhow::Error {
    let unreachable = status.code() == Code::Unavailable && reason_of(&status).is_none();
    let remedy = if unreachable {
        "; start it with `switchboard up`, or say where it is with --dispatcher or --config-service"
    } else {
        ""
    };
    anyhow::anyhow!("{}{remedy}", describe(&status))
}

/// Whether the answer is that there is no such thing.
pub fn is_missing(status: &Status) -> bool {
    status.code() == Code::NotFound
}
