//! What may happen next.

use std::time::Duration;

use switchboard_vendor_sim::{
    Callbacks, End, Fault as Misdeed, FaultMatch, FaultRule, Operation, Outcome, RetryAfterForm,
};

use super::seed::Seed;
use crate::site::Fault;

/// A service, by its place in the installation.
#[derive(Clone, Copy, Debug)]
pub(super) enum Service {
    Dispatcher(usize),
    Configuration(usize),
    Gateway(usize),
}

/// A way between two parts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    Dispatchers,
    ConfigServices,
    Gateways,
    History,
    Configuration,
    Redis,
}

/// A server that services share.
#[derive(Clone, Copy, Debug)]
pub(super) enum Server {
    Postgres,
    Redis,
}

/// Something that happens.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// A process is killed, and started again after a while.
    Kill(Service, Duration),
    /// A process is told to end, and started again.
    Restart(Service),
    /// A process stands still for a while.
    Pause(Service, Duration),
    /// A server is killed, and started again after a while.
    KillServer(Server, Duration),
    /// A server stands still for a while.
    PauseServer(Server, Duration),
    /// A way is broken for a while.
    Break(Way, Fault, Duration),
    /// A vendor misbehaves some times.
    Misbehave(&'static str, Box<FaultRule>),
    /// An operator switches an organisation to another vendor.
    Switch(&'static str),
    /// A vendor calls back again for everything that it has called back for.
    Repeat(&'static str),
}

const VENDORS: [&str; 2] = ["cloudmsg", "sendtalk"];

impl Step {
    /// Who is killed next.
    pub(super) fn draw_kill(seed: &mut Seed) -> Self {
        let number = usize::from(seed.between(0, 2) == 1);
        let rest = Duration::from_millis(seed.between(50, 800));
        match seed.between(0, 5) {
            0 => Self::KillServer(Server::Postgres, rest),
            1 | 2 => Self::Kill(Service::Gateway(number), rest),
            _ => Self::Kill(Service::Dispatcher(number), rest),
        }
    }

    /// What happens next.
    pub(super) fn draw(seed: &mut Seed) -> Self {
        let service = {
            let number = usize::from(seed.between(0, 2) == 1);
            let places = [
                Service::Dispatcher(number),
                Service::Dispatcher(number),
                Service::Configuration(number),
                Service::Gateway(number),
            ];
            seed.one_of(&places)
        };
        let while_ = Duration::from_millis(seed.between(50, 1500));
        match seed.between(0, 20) {
            0..=5 => Self::Kill(service, while_),
            6 => Self::Restart(service),
            7 => Self::Pause(service, while_),
            8..=9 => Self::KillServer(seed.one_of(&[Server::Postgres, Server::Postgres, Server::Redis]), while_),
            10 => Self::PauseServer(seed.one_of(&[Server::Postgres, Server::Redis]), while_),
            11..=13 => {
                let ways = [
                    Way::Dispatchers,
                    Way::ConfigServices,
                    Way::Gateways,
                    Way::History,
                    Way::History,
                    Way::Configuration,
                    Way::Redis,
                ];
                Self::Break(seed.one_of(&ways), seed.one_of(&[Fault::Cut, Fault::Silence]), while_)
            }
            14..=16 => Self::Misbehave(seed.one_of(&VENDORS), Box::new(misdeed(seed))),
            17..=18 => Self::Switch(seed.one_of(&VENDORS)),
            _ => Self::Repeat(seed.one_of(&VENDORS)),
        }
    }
}

fn misdeed(seed: &mut Seed) -> FaultRule {
    let accept = seed.between(0, 2) == 1;
    let told =
        |callbacks| Misdeed::Outcome { outcome: Outcome { end: End::Delivered, callbacks, ..Outcome::default() } };
    let fault = match seed.between(0, 12) {
        0 => Misdeed::Hang { accept },
        1 => Misdeed::Reset { accept },
        2 => Misdeed::ServerError { accept, status: 500, retry_after_s: None },
        3 => Misdeed::Html { accept, status: 502 },
        4 => Misdeed::TruncatedJson,
        5 => Misdeed::Delay { ms: 1500, accept_first: accept },
        6 => Misdeed::NotAccepted,
        7 => Misdeed::Throttle { after_s: 1, form: RetryAfterForm::Native },
        8 => told(Callbacks::Twice),
        9 => told(Callbacks::Reversed),
        10 => told(Callbacks::Lost),
        _ => told(Callbacks::BeforeAnswer),
    };
    let times = u32::try_from(seed.between(1, 6)).ok();
    let operation = Some(Operation::Send);
    FaultRule { times, ..FaultRule::once(fault, FaultMatch { operation, ..FaultMatch::default() }) }
}
