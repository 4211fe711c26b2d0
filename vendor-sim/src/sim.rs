//! Starting and stopping both vendors.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cloudmsg::CloudMsg;
use crate::config::Config;
use crate::core::{Core, Wire};
use crate::handle::{CloudMsgHandle, SendTalkHandle};
use crate::sendtalk::SendTalk;
use crate::{demo, serve};

/// Both simulated vendors, running.
#[derive(Debug)]
pub struct VendorSim {
    cloudmsg: Arc<CloudMsg>,
    sendtalk: Arc<SendTalk>,
    cloudmsg_address: SocketAddr,
    sendtalk_address: SocketAddr,
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl VendorSim {
    /// Binds both ports and starts serving.
    ///
    /// # Errors
    ///
    /// When an address cannot be bound, or no HTTP client for callbacks can be built.
    pub async fn start(config: Config) -> io::Result<Self> {
        // A second installation is refused, which is fine: somebody has installed one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .no_proxy()
            // Callbacks go to plain http on this machine: no root certificates are needed, nor read.
            .tls_certs_only([])
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(io::Error::other)?;
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let core = || Core::new(http.clone(), tracker.clone(), stop.clone());
        let cloudmsg = Arc::new(CloudMsg::new(core()));
        let sendtalk = Arc::new(SendTalk::new(core()));
        if config.seed_accounts {
            demo::seed(&cloudmsg, &sendtalk).map_err(io::Error::other)?;
        }
        let wire: Arc<dyn Wire> = Arc::<CloudMsg>::clone(&cloudmsg);
        let cloudmsg_address = serve::start(wire, config.cloudmsg_listen).await?;
        let wire: Arc<dyn Wire> = Arc::<SendTalk>::clone(&sendtalk);
        let sendtalk_address = match serve::start(wire, config.sendtalk_listen).await {
            Ok(address) => address,
            Err(error) => {
                // The first one is already serving.
                stop.cancel();
                return Err(error);
            }
        };
        tracing::info!(cloudmsg = %cloudmsg_address, sendtalk = %sendtalk_address, "simulated vendors are listening");
        Ok(Self { cloudmsg, sendtalk, cloudmsg_address, sendtalk_address, tracker, stop })
    }

    /// Base URL of the simulated CloudMsg, without a slash at the end.
    #[must_use]
    pub fn cloudmsg_url(&self) -> String {
        format!("http://{}", self.cloudmsg_address)
    }

    /// Base URL of the simulated SendTalk, without a slash at the end.
    #[must_use]
    pub fn sendtalk_url(&self) -> String {
        format!("http://{}", self.sendtalk_address)
    }

    /// CloudMsg's powers in process.
    #[must_use]
    pub fn cloudmsg(&self) -> CloudMsgHandle {
        CloudMsgHandle::new(&self.cloudmsg)
    }

    /// SendTalk's powers in process.
    #[must_use]
    pub fn sendtalk(&self) -> SendTalkHandle {
        SendTalkHandle::new(&self.sendtalk)
    }

    /// Stops listening, drops what is under way and waits until all of it has ended.
    pub async fn shutdown(self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}
