//! The services of one installation, each a process of its own, on free ports and in a temporary folder.

use std::{
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use switchboard_vendor_sim::demo::CLOUDMSG_DEFAULT;

use crate::program::{self, Ended, PATIENCE, Running};

const LISTENERS: [&str; 8] = [
    "DISPATCHER__LISTEN",
    "DISPATCHER__METRICS_LISTEN",
    "CONFIG_SERVICE__LISTEN",
    "CONFIG_SERVICE__METRICS_LISTEN",
    "WEBHOOK_GATEWAY__LISTEN",
    "WEBHOOK_GATEWAY__METRICS_LISTEN",
    "VENDOR_SIM__CLOUDMSG_LISTEN",
    "VENDOR_SIM__SENDTALK_LISTEN",
];
const TOKENS: &str = r#"{
    "sender": {"token": "sender-0123456789abcdef", "roles": ["SENDER"]},
    "operator": {"token": "operator-0123456789abcdef", "roles": ["OPERATOR"]},
    "superadmin": {"token": "superadmin-0123456789abcdef", "roles": ["SUPERADMIN"]},
    "auditor": {"token": "auditor-0123456789abcdef", "roles": ["AUDITOR"]},
    "dispatcher": {"token": "dispatcher-0123456789abcdef", "roles": ["DISPATCHER"]},
    "webhook-gateway": {"token": "webhook-gateway-0123456789abcdef", "roles": ["WEBHOOK_GATEWAY"]}
}"#;

/// Sends a message and waits until it is delivered.
pub(crate) const SEND: [&str; 9] =
    ["send", "sms", "--org", "default", "--to", "010-1234-5678", "--text", "안녕하세요", "--watch"];

/// Settings that all processes share.
pub(crate) struct Installation {
    folder: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

impl Installation {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tokens = folder.path().join("tokens.json");
        std::fs::write(&tokens, TOKENS).unwrap();
        std::fs::set_permissions(&tokens, std::fs::Permissions::from_mode(0o600)).unwrap();
        // All are held until every one has been given out, so that no two are the same.
        let held: Vec<_> = LISTENERS.map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).into();
        let address = |index: usize| held[index].local_addr().unwrap().to_string();
        let mut variables: Vec<_> =
            LISTENERS.iter().enumerate().map(|(index, key)| ((*key).to_owned(), address(index))).collect();
        for (key, index) in [
            ("DISPATCHER__CONFIG_SERVICE_URL", 2),
            ("WEBHOOK_GATEWAY__CONFIG_SERVICE_URL", 2),
            ("WEBHOOK_GATEWAY__DISPATCHER_URL", 0),
            ("PROVIDERS__CLOUDMSG__BASE_URL", 6),
            ("PROVIDERS__SENDTALK__BASE_URL", 7),
        ] {
            variables.push((key.to_owned(), format!("http://{}", address(index))));
        }
        variables.push(("DATA_DIR".to_owned(), folder.path().display().to_string()));
        Self { folder, variables }
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program::command();
        for (key, value) in &self.variables {
            command.env(format!("SWITCHBOARD_{key}"), value);
        }
        command.args(arguments).current_dir(self.folder.path());
        command
    }

    pub(crate) fn start(&self, service: &str) -> Running {
        Running::start(&mut self.command(&[service]))
    }

    pub(crate) fn typed(&self, arguments: &[&str]) -> Ended {
        program::run(&mut self.command(arguments))
    }

    /// Types it until it succeeds: what it needs may still be starting.
    pub(crate) fn until_done(&self, arguments: &[&str]) -> Ended {
        let began = Instant::now();
        loop {
            let ended = self.typed(arguments);
            if ended.code == Some(0) {
                return ended;
            }
            assert!(began.elapsed() < PATIENCE, "{arguments:?}: {}", ended.stderr);
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Changes a setting for what is started from now on, such as `DISPATCHER__RECONCILE_AFTER`.
    pub(crate) fn set(&mut self, key: &str, value: impl Into<String>) {
        self.variables.retain(|(known, _)| known != key);
        self.variables.push((key.to_owned(), value.into()));
    }

    /// What a setting is.
    pub(crate) fn setting(&self, key: &str) -> &str {
        let (_, value) = self.variables.iter().find(|(known, _)| known == key).unwrap();
        value
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn gateway(&self) -> &str {
        self.setting("WEBHOOK_GATEWAY__LISTEN")
    }

    /// Starts the simulated vendors, whose callbacks go to the gateway.
    pub(crate) fn start_vendors(&self) -> Running {
        let webhooks = format!("http://{}", self.gateway());
        Running::start(&mut self.command(&["vendor-sim", "--webhooks", &webhooks]))
    }

    /// Sends a message until one is delivered.
    pub(crate) fn until_delivered(&self) -> Ended {
        self.until_done(&SEND)
    }

    /// Makes the simulator's default account with CloudMsg that of the platform, once config-service is there.
    pub(crate) fn store_default_account(&self) {
        let account = CLOUDMSG_DEFAULT;
        let secret = self.folder.path().join("secret");
        write(&secret, account.secret_key);
        let (id, key) = (field("service_id", account.service_id), field("access_key", account.access_key));
        let secret = field("secret_key", &secret.display().to_string());
        let callbacks = field("callback_secret", account.callback_secret);
        let sender = field("default_sender", account.default_sender);
        self.until_done(&[
            "provider",
            "set",
            "default",
            "cloudmsg",
            "--activate",
            "--field",
            &id,
            "--field",
            &key,
            "--field-file",
            &secret,
            "--field",
            &callbacks,
            "--field",
            &sender,
        ]);
    }
}

pub(crate) fn field(key: &str, value: &str) -> String {
    format!("{key}={value}")
}

fn write(path: &Path, secret: &str) {
    std::fs::write(path, format!("{secret}\n")).unwrap();
}
