//! Which staging systems the environment names, and what is sent there.
//!
//! Everything is checked before anything is sent: real messages cost money and reach a person.

use std::{fmt, time::Duration};

use switchboard_providers::{
    Credentials, UnknownVendor,
    model::{Channel, PhoneNumber, Report, Sender, render},
    vendor::Vendor,
};
use tokio::task::JoinSet;

use super::{
    cases::{self, Subject},
    messages::{REGISTRY, Template, vendor_at},
};

/// How long all cases together may take at one vendor; the look-ups' documented blindness is most of it.
const PATIENCE: Duration = Duration::from_secs(120);

const RECIPIENT: &str = "STAGING_RECIPIENT";
const TEMPLATE_CODE: &str = "STAGING_TEMPLATE_CODE";
const TEMPLATE_CONTENT: &str = "STAGING_TEMPLATE_CONTENT";
const TEMPLATE_VARIABLES: &str = "STAGING_TEMPLATE_VARIABLES";

/// A variable by its name; one that is empty counts as not set.
type Variable<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A vendor's code and what became of each message; `None`: a case failed and has said why.
pub type Held = (&'static str, Option<Vec<(Channel, Report)>>);

/// The staging systems that are tested. Displays what will be sent where, without secrets or whole numbers.
pub struct Plan {
    systems: Vec<System>,
    /// Variables that would add the vendors that are not tested.
    absent: Vec<String>,
}

struct System {
    base_url: String,
    recipient: PhoneNumber,
    subject: Subject,
}

impl Plan {
    /// From variables. `run` begins every reference.
    ///
    /// # Errors
    ///
    /// One sentence that names every variable to set or to mend, and never holds a value.
    pub fn from_variables(variable: Variable<'_>, run: &str) -> Result<Self, String> {
        let variable: Variable<'_> = &|name| variable(name).filter(|value| !value.trim().is_empty());
        let (named, absent): (Vec<_>, Vec<_>) =
            REGISTRY.iter().map(|vendor| &**vendor).partition(|vendor| variable(&base_url_of(*vendor)).is_some());
        if named.is_empty() {
            return Err(all_variables());
        }
        let mut mistakes = Vec::new();
        let recipient = PhoneNumber::parse(&variable(RECIPIENT).unwrap_or_default());
        let recipient = recipient.map_err(|error| mistakes.push(format!("{RECIPIENT} {error}")));
        let template = template(variable).map_err(|mistake| mistakes.push(mistake));
        let mut systems = Vec::new();
        for vendor in named {
            match (open(vendor, variable), &recipient, &template) {
                (Err(mistake), ..) => mistakes.push(mistake),
                (Ok(opened), Ok(recipient), Ok(template)) => systems.push(opened.to(recipient, template, run)),
                (Ok(_), ..) => {}
            }
        }
        if !mistakes.is_empty() {
            return Err(mistakes.join("; "));
        }
        Ok(Self { systems, absent: absent.into_iter().map(base_url_of).collect() })
    }

    /// Holds the cases against each system, one after the other.
    pub async fn hold(self) -> Vec<Held> {
        let mut held = Vec::new();
        for system in self.systems {
            let code = system.subject.vendor.descriptor().code;
            // A task of its own: a vendor that fails does not keep the next one from being tested.
            let mut task = JoinSet::new();
            task.spawn(async move { tokio::time::timeout(PATIENCE, system.hold()).await.unwrap() });
            held.push((code, task.join_next().await.unwrap().ok()));
        }
        held
    }
}

impl System {
    /// What sends nothing comes first, so that a typing error costs nothing.
    async fn hold(&self) -> Vec<(Channel, Report)> {
        cases::good_credentials_are_good(&self.subject).await;
        cases::a_message_nobody_sent_is_not_found(&self.subject).await;
        cases::wrong_credentials_are_told_by_the_check_and_by_a_send(&self.subject).await;
        cases::every_kind_is_accepted_and_found_by_reference_and_by_id(&self.subject).await
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for System { base_url, recipient, subject } in &self.systems {
            let descriptor = subject.vendor.descriptor();
            let account = descriptor.form.account(&subject.credentials);
            let sender = Sender::parse(&subject.sender).map_err(|_| fmt::Error)?;
            writeln!(f, "{} at {base_url}, account {account}: to {recipient:?} from {sender:?}", descriptor.code)?;
            writeln!(f, "  {}: an SMS with a wrong key, to be refused", subject.wrong_reference())?;
            for &channel in descriptor.channels {
                write!(f, "  {}: one {channel}", subject.reference(channel))?;
                match channel {
                    Channel::Alimtalk => writeln!(f, " of the template {}", subject.template.code)?,
                    _ => writeln!(f)?,
                }
            }
        }
        self.absent.iter().try_for_each(|name| writeln!(f, "not tested: {name} is not set"))
    }
}

/// An account whose variables are right, still without a message.
struct Opened {
    base_url: String,
    vendor: std::sync::Arc<dyn Vendor>,
    credentials: Credentials,
    sender: String,
}
