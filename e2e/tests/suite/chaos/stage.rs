//! Where it happens.

use std::time::Duration;

use switchboard_vendor_sim::VendorHandle;
use tokio::time::Instant;

use super::plan::{Server, Service, Step, Way};
use crate::site::{Fault, Node, Plan, Site, Wire};

/// An installation, and what has happened to it.
pub(super) struct Stage {
    pub(super) site: Site,
    began: Instant,
    happened: Vec<(Duration, String)>,
    /// What is to be undone, and when.
    pending: Vec<(Instant, Undo)>,
    /// Processes that have ended without being told to.
    ended: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
enum Undo {
    Start(Service),
    Resume(Service),
    StartServer(Server),
    ResumeServer(Server),
    Heal(Way),
}

impl Stage {
    /// Sets it, everything running.
    pub(super) async fn set(plan: Plan, settings: &[(&str, &str)]) -> Self {
        let site = Site::start(plan, settings).await;
        Self { site, began: Instant::now(), happened: Vec::new(), pending: Vec::new(), ended: Vec::new() }
    }

    /// Lets something happen. What is done to a part that has been hit before is done once that is undone.
    pub(super) async fn play(&mut self, step: Step) {
        self.undo(Instant::now()).await;
        self.look();
        self.note(format!("{step:?}"));
        let now = Instant::now();
        match step {
            Step::Kill(service, rest) => {
                self.clear().await;
                self.node(service).kill();
                self.pending.push((now + rest, Undo::Start(service)));
            }
            Step::Restart(service) => {
                self.clear().await;
                let node = self.node(service);
                let status = node.terminate().await;
                if !status.success() {
                    let told = format!("{} was told to end and ended with {status}", node.name());
                    let words = last_lines(node, 5);
                    self.ended.push(format!("{told}: {words}"));
                }
                self.node(service).start();
            }
            Step::Pause(service, rest) => {
                self.clear().await;
                self.node(service).pause();
                self.pending.push((now + rest, Undo::Resume(service)));
            }
            Step::KillServer(server, rest) => {
                self.clear().await;
                match server {
                    Server::Postgres => self.site.postgres.as_mut().unwrap().kill(),
                    Server::Redis => self.site.redis.as_mut().unwrap().kill(),
                }
                self.pending.push((now + rest, Undo::StartServer(server)));
            }
            Step::PauseServer(server, rest) => {
                self.clear().await;
                match server {
                    Server::Postgres => self.site.postgres.as_ref().unwrap().pause(),
                    Server::Redis => self.site.redis.as_ref().unwrap().pause(),
                }
                self.pending.push((now + rest, Undo::ResumeServer(server)));
            }
            Step::Break(way, fault, rest) => {
                self.wire(way).suffer(fault);
                self.pending.push((now + rest, Undo::Heal(way)));
            }
            Step::Misbehave(vendor, rule) => self.vendor(vendor).add_fault(*rule),
            Step::Switch(vendor) => {
                let admin = self.site.admin();
                // An operator may well be refused just now.
                let switched = admin.route("hanbit", vendor).await;
                self.note(format!(
                    "hanbit to {vendor}: {}",
                    switched.map_or_else(|no| no.to_string(), |_| "done".into())
                ));
            }
            Step::Repeat(vendor) => {
                let handle = self.vendor(vendor);
                drop(crate::spawn(async move { handle.repeat_callbacks(None).await }));
            }
        }
    }

    /// Mends everything, and waits until every process can do its job.
    pub(super) async fn mend(&mut self) {
        self.note("mended".to_owned());
        self.clear().await;
        for vendor in ["cloudmsg", "sendtalk"] {
            self.vendor(vendor).clear_faults();
        }
        self.look();
        self.site.all_ready().await;
    }

    /// What ended that nobody has ended.
    pub(super) fn unexpected_ends(&mut self) -> Vec<String> {
        self.look();
        std::mem::take(&mut self.ended)
    }

    pub(super) fn steps(&self) -> usize {
        self.happened.len()
    }

    /// What has happened, a line each, and the last words of every process.
    pub(super) fn timeline(&self) -> String {
        let lines = self.happened.iter().map(|(at, what)| format!("{:>8.3}s {what}", at.as_secs_f64()));
        let logs = self.site.nodes().map(|node| format!("--- {}\n{}", node.name(), last_lines(node, 60)));
        lines.chain(logs).collect::<Vec<_>>().join("\n")
    }

    /// Undoes what is pending, whatever its time: what comes next hits the same parts.
    async fn clear(&mut self) {
        let wires = self.pending.iter().map(|(at, _)| *at).max();
        self.undo(wires.unwrap_or_else(Instant::now)).await;
    }

    async fn undo(&mut self, until: Instant) {
        let (due, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.pending).into_iter().partition(|(at, _)| *at <= until);
        self.pending = later;
        for (at, undo) in due {
            tokio::time::sleep_until(at).await;
            self.note(format!("{undo:?}"));
            match undo {
                Undo::Start(service) => self.node(service).start(),
                Undo::Resume(service) => self.node(service).resume(),
                Undo::StartServer(Server::Postgres) => self.site.postgres.as_mut().unwrap().restart().await,
                Undo::StartServer(Server::Redis) => self.site.redis.as_mut().unwrap().restart().await,
                Undo::ResumeServer(Server::Postgres) => self.site.postgres.as_ref().unwrap().resume(),
                Undo::ResumeServer(Server::Redis) => self.site.redis.as_ref().unwrap().resume(),
                Undo::Heal(way) => self.wire(way).suffer(Fault::None),
            }
        }
    }

    /// Looks for processes that have ended by themselves, and starts them again.
    fn look(&mut self) {
        for node in self.site.nodes_mut() {
            if let Some(status) = node.ended() {
                self.ended.push(format!("{} has ended by itself with {status}: {}", node.name(), last_lines(node, 5)));
                node.start();
            }
        }
    }

    fn note(&mut self, what: String) {
        self.happened.push((self.began.elapsed(), what));
    }

    fn node(&mut self, service: Service) -> &mut Node {
        let (nodes, number) = match service {
            Service::Dispatcher(number) => (&mut self.site.dispatchers, number),
            Service::Configuration(number) => (&mut self.site.config_services, number),
            Service::Gateway(number) => (&mut self.site.gateways, number),
        };
        &mut nodes[number]
    }

    fn vendor(&self, code: &str) -> VendorHandle {
        match code {
            "cloudmsg" => (*self.site.vendors.cloudmsg()).clone(),
            _ => (*self.site.vendors.sendtalk()).clone(),
        }
    }

    fn wire(&self, way: Way) -> &Wire {
        let wires = &self.site.wires;
        match way {
            Way::Dispatchers => &wires.to_dispatchers,
            Way::ConfigServices => &wires.to_config_services,
            Way::Gateways => &wires.to_gateways,
            Way::History => wires.to_history.as_ref().unwrap(),
            Way::Configuration => wires.to_configuration.as_ref().unwrap(),
            Way::Redis => wires.to_redis.as_ref().unwrap(),
        }
    }
}

fn last_lines(node: &Node, count: usize) -> String {
    let log = node.log();
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
