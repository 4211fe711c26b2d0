//! Which staging systems the environment names, and what is sent there.
//!
//! Everything is checked before anything is sent: real messages cost money and reach a person.

use std::{fmt, time::Duration};

use switchboard_providers::{
    Credentials, Descriptor, UnknownVendor,
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

const BASE_URL: &str = "base_url";
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
    /// One sentence that names the variables to set or to mend, and never holds a value.
    pub fn from_variables(variable: Variable<'_>, run: &str) -> Result<Self, String> {
        let variable: Variable<'_> = &|name| variable(name).filter(|value| !value.trim().is_empty());
        let (named, absent): (Vec<_>, Vec<_>) =
            REGISTRY.iter().partition(|vendor| variable(&name(&***vendor, BASE_URL)).is_some());
        if named.is_empty() {
            return Err(all_variables());
        }
        let recipient = PhoneNumber::parse(&variable(RECIPIENT).unwrap_or_default())
            .map_err(|error| format!("{RECIPIENT} {error}"))?;
        let template = template(variable)?;
        let mut systems = Vec::new();
        for vendor in named {
            systems.push(System::open(&**vendor, variable, &recipient, &template, run)?);
        }
        Ok(Self { systems, absent: absent.into_iter().map(|vendor| name(&**vendor, BASE_URL)).collect() })
    }

    /// Holds the cases against each system, one after the other.
    pub async fn hold(self) -> Vec<Held> {
        let mut held = Vec::new();
        for system in self.systems {
            let code = system.subject.vendor.descriptor().code;
            // A task of its own: a vendor that fails does not keep the next one from being tested.
            let mut task = JoinSet::new();
            task.spawn(async move {
                let held = tokio::time::timeout(PATIENCE, system.hold()).await;
                held.unwrap_or_else(|_| panic!("{code}: the cases took longer than {PATIENCE:?}"))
            });
            held.push((code, task.join_next().await.unwrap().ok()));
        }
        held
    }
}

impl System {
    fn open(
        vendor: &dyn Vendor,
        variable: Variable<'_>,
        recipient: &PhoneNumber,
        template: &Template,
        run: &str,
    ) -> Result<Self, String> {
        let Descriptor { code, form, .. } = vendor.descriptor();
        let base_url = variable(&name(vendor, BASE_URL)).unwrap_or_default();
        let value = |key| variable(&name(vendor, key)).map(|value| (key, value));
        let credentials: Credentials = form.fields.iter().filter_map(|field| value(field.key)).collect();
        let at_staging = vendor_at(code, &base_url).map_err(|error| match error {
            UnknownVendor::Client { why, .. } => format!("{} cannot be called: {why}", name(vendor, BASE_URL)),
            _ => format!("{} is not an http or https address: give it whole", name(vendor, BASE_URL)),
        })?;
        let account = at_staging.open(&credentials).map_err(|error| {
            let mistakes = error.0.into_iter().map(|mistake| format!("{} {}", name(vendor, &mistake.key), mistake.en));
            mistakes.collect::<Vec<_>>().join("; ")
        })?;
        let (_, sender) = value(form.default_sender_field).ok_or_else(|| {
            format!("{} is required: every text is sent from it", name(vendor, form.default_sender_field))
        })?;
        let subject = Subject {
            vendor: at_staging,
            account,
            credentials,
            recipient: recipient.e164().to_owned(),
            sender,
            template: template.clone(),
            run: run.to_owned(),
        };
        Ok(Self { base_url, recipient: recipient.clone(), subject })
    }

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

/// The template that every named system has approved.
fn template(variable: Variable<'_>) -> Result<Template, String> {
    let required = |name| variable(name).ok_or_else(|| format!("{name} is required: give an approved template"));
    let (code, content) = (required(TEMPLATE_CODE)?, required(TEMPLATE_CONTENT)?);
    let variables = variable(TEMPLATE_VARIABLES).unwrap_or_else(|| "{}".to_owned());
    let variables = serde_json::from_str(&variables)
        .map_err(|_| format!(r#"{TEMPLATE_VARIABLES} is no JSON object of strings, such as {{"name":"Kim"}}"#))?;
    render(&content, &variables).map_err(|errors| {
        let errors = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        format!("{TEMPLATE_CONTENT} and {TEMPLATE_VARIABLES} do not fit together: {errors}")
    })?;
    Ok(Template { code, content, variables, buttons: Vec::new() })
}

/// `STAGING_CLOUDMSG_BASE_URL`: a vendor's variable, by the key of a field or [`BASE_URL`].
fn name(vendor: &dyn Vendor, key: &str) -> String {
    format!("STAGING_{}_{key}", vendor.descriptor().code).replace('-', "_").to_uppercase()
}

/// What to do when no vendor is named.
fn all_variables() -> String {
    let of_vendors = REGISTRY.iter().map(|vendor| {
        let keys = std::iter::once(BASE_URL).chain(vendor.descriptor().form.fields.iter().map(|field| field.key));
        keys.map(|key| name(&**vendor, key)).collect::<Vec<_>>().join(", ")
    });
    let of_vendors = of_vendors.collect::<Vec<_>>().join(", or ");
    format!(
        "no vendor's staging system is named: set {of_vendors}, and for all of them {RECIPIENT}, {TEMPLATE_CODE}, \
         {TEMPLATE_CONTENT} and {TEMPLATE_VARIABLES}"
    )
}
