//! Looks at the files of certificates now and then, and takes what is new.

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::changes::Files;
use crate::clock::SharedClock;
use crate::config::ConfigError;
use crate::lifecycle::Lifecycle;

type Read = Box<dyn Fn() -> Result<Option<DateTime<Utc>>, ConfigError> + Send>;

/// Files that are used together, and how they are taken into use.
pub(super) struct Watched {
    name: &'static str,
    files: Files,
    read: Read,
}

impl Watched {
    /// `read` takes the files into use, or leaves everything as it is and says why; it returns when the certificate
    /// ends.
    pub(super) fn new(
        name: &'static str,
        paths: Vec<PathBuf>,
        read: impl Fn() -> Result<Option<DateTime<Utc>>, ConfigError> + Send + 'static,
    ) -> Self {
        Self { name, files: Files::new(paths), read: Box::new(read) }
    }

    /// Takes what is new, if anything is.
    fn look(&mut self, now: DateTime<Utc>) {
        if self.files.have_changed() {
            self.take(now);
        }
    }

    fn take(&mut self, now: DateTime<Utc>) {
        let certificate = self.name;
        let failed = metrics::gauge!("switchboard_tls_reload_failed", "certificate" => certificate);
        match (self.read)() {
            Ok(expires) => {
                failed.set(0.0);
                self.report(expires, now);
            }
            Err(error) => {
                self.files.look_again();
                failed.set(1.0);
                tracing::error!(certificate, %error, "a new certificate cannot be used, the old one stays");
            }
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float, and seconds stay far below 2^52")]
    fn report(&self, expires: Option<DateTime<Utc>>, now: DateTime<Utc>) {
        let certificate = self.name;
        let Some(expires) = expires else {
            tracing::info!(certificate, "authorities in use");
            return;
        };
        metrics::gauge!("switchboard_tls_certificate_expiry_timestamp_seconds", "certificate" => certificate)
            .set(expires.timestamp() as f64);
        if expires <= now {
            tracing::error!(certificate, %expires, "certificate in use, although it has expired");
        } else {
            tracing::info!(certificate, %expires, "certificate in use");
        }
    }
}

/// Starts looking; ends when the process drains.
pub(super) fn start(mut watched: Vec<Watched>, every: Duration, clock: SharedClock, lifecycle: &Lifecycle) {
    for files in &mut watched {
        files.take(clock.now());
    }
    let draining = lifecycle.draining();
    lifecycle.spawn("certificate reload", async move {
        loop {
            tokio::select! {
                () = draining.cancelled() => return Ok(()),
                () = tokio::time::sleep(every) => {}
            }
            // A few kilobytes every half minute; a disk that hangs must not hold up anything else, though.
            let now = clock.now();
            watched = tokio::task::spawn_blocking(move || {
                for files in &mut watched {
                    files.look(now);
                }
                watched
            })
            .await?;
        }
    });
}
