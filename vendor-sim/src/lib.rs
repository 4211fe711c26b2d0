//! Both vendors as a program: CloudMsg and SendTalk as their interface documents describe them, over real HTTP.
//!
//! It stands in for the outside world in the demo, in tests and in benchmarks. It is written from the vendors'
//! documents alone and shares no code with the adapters that call it: a misreading on one side shows on the other. It
//! checks signatures, formats and lengths as strictly as the documents do, accepts, delivers, fails and signs
//! callbacks, and whatever can go wrong between two companies can be scripted.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use switchboard_vendor_sim::{Config, Fault, FaultRule, VendorSim, demo};
//!
//! let sim = VendorSim::start(Config::on_free_ports()).await?;
//! let account = demo::CLOUDMSG_DEFAULT.service_id;
//! sim.cloudmsg().set_callback_url(account, Some("http://127.0.0.1:7003/webhook/cloudmsg")).ok();
//! sim.cloudmsg().add_fault(FaultRule::next_send(Fault::Hang { accept: true }));
//! // … send to sim.cloudmsg_url(), then judge by sim.cloudmsg().journal() and .messages()
//! sim.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Life of an accepted message
//!
//! Accepted → with the carrier after 20 ms → result after 40 ms more, with a callback for the last two (settings
//! `accepted_for_ms`, `with_carrier_for_ms`, `progress_callbacks`). Ordinary numbers are delivered; **magic numbers**
//! end otherwise, such as `010-0000-2003`, which fails with code 2003: see [`Outcome`]'s module, whose table is repeated
//! here in short: `010-0000-CCCC` fails with the delivery code `CCCC` (Kakao's codes and 3005 only as Alimtalk), `-9001`
//! stays accepted, `-9002` stays with the carrier, `-9003` is delivered without any callback, `-9004` calls back twice,
//! `-9005` in the wrong order, `-9006` before the answer to the send, `-9007` with a status word nobody knows, `-9008`
//! fails with a code nobody knows, `-9101` is refused at the send.
//!
//! # Control endpoint
//!
//! On each vendor's port, under `/_control`, JSON, without authentication. The same in process: [`CloudMsgHandle`] and
//! [`SendTalkHandle`].
//!
//! | call | does |
//! | --- | --- |
//! | `GET /journal` | `{requests, callbacks, messages, dropped}`: every request with its verdict, every callback attempt with its status, every message |
//! | `DELETE /journal` | forgets requests and callbacks; messages stay |
//! | `GET /messages`, `DELETE /messages` | the messages; forgets them and the idempotency keys |
//! | `GET /accounts`, `POST /accounts`, `PATCH /accounts/{id}` | without secrets; creates or replaces ([`CloudMsgAccount`], [`SendTalkAccount`]); changes some fields, such as `callback_url`, `status`, `balance` |
//! | `GET /settings`, `POST /settings` | [`Settings`]; changes some of them |
//! | `GET /faults`, `POST /faults`, `DELETE /faults` | [`FaultRule`], one or an array |
//! | `GET /outcome`, `POST /outcome`, `DELETE /outcome` | [`OutcomeRule`], one or an array |
//! | `POST /callbacks/hold` | callbacks wait from now on |
//! | `POST /callbacks/flush` `{order: "as_happened"\|"reversed", copies}` | delivers what waits, answers with the attempts |
//! | `POST /callbacks/release` | the same, and stops holding |
//! | `POST /callbacks/reorder` | flush, the last first |
//! | `POST /callbacks/duplicate` `{message_id}` | delivers again what was delivered, for one message or all |
//! | `POST /callbacks/send` | [`CustomCallback`]: other event types, unknown words, wrong secrets, old timestamps |
//! | `POST /files/expire` | uploaded images expire (CloudMsg) |
//!
//! # Faults
//!
//! ```json
//! {"fault": {"kind": "reset", "accept": true}, "on": {"operation": "send", "to": "010-1234-5678"}, "times": 2}
//! ```
//!
//! `kind` is one of `hang`, `reset`, `server_error`, `html`, `respond` (each with `accept`: whether the vendor carries
//! the request out first), `truncated_json`, `throttle`, `not_accepted`, `unauthorized`, `refuse`, `refuse_recipients`,
//! `delay`, `outcome`: see [`Fault`]. A rule hits once unless `times` says otherwise (`null`: until deleted), after
//! letting `skip` matching requests pass, with `probability` from `seed`. Lost, early, doubled and reordered callbacks
//! and unknown status words are outcomes: `{"fault": {"kind": "outcome", "outcome": {"end": "delivered", "callbacks":
//! "before_answer"}}}`, see [`Outcome`].
//!
//! # Where the documents leave room
//!
//! The simulator takes one reading, and where the other is just as likely a setting offers it:
//!
//! - CloudMsg: if every recipient of a call is refused, the answer is HTTP 400 with the first one's code; with
//!   `refuse_inside_202` a single recipient is refused inside a 202. A refused recipient has an empty `messageId`.
//!   A suspended service passes the check with its status; its sends are 401/210.
//! - SendTalk: −1001 comes with HTTP 401, −1002 with 403, everything else with 200. `account.status` is `active` or
//!   `suspended`. A look-up by reference answers `{items, next_cursor}`, with `reference_look_up_as_item` the item.
//!   A body over 2 MiB is 413.
//! - Both: a message that replaces a failed Alimtalk reports through that Alimtalk: one callback when it fails and one
//!   when the replacement has its result. Fields that the documents do not know are accepted and noted as warnings.

pub mod demo;

mod callbacks;
mod clock;
mod cloudmsg;
mod config;
mod conn;
mod control;
mod core;
mod cp949;
mod faults;
mod flow;
mod handle;
mod ids;
mod journal;
mod message;
mod outcome;
mod phone;
mod sendtalk;
mod serve;
mod settings;
mod sim;
mod store;
mod template;

pub use self::callbacks::{CustomCallback, Flush, Order};
pub use self::cloudmsg::{AccountStatus, CloudMsgAccount, CloudMsgChannel};
pub use self::config::Config;
pub use self::faults::{Fault, FaultMatch, FaultRule, RetryAfterForm};
pub use self::handle::{CloudMsgHandle, SendTalkHandle, VendorHandle};
pub use self::journal::{CallbackEntry, Journal, Operation, RequestEntry, Verdict};
pub use self::message::{Channel, FallbackPlan, ImageFacts, Message, State};
pub use self::outcome::{Callbacks, End, Outcome, OutcomeRule};
pub use self::sendtalk::{SendTalkAccount, SenderProfile};
pub use self::settings::Settings;
pub use self::sim::VendorSim;
pub use self::template::{Template, TemplateButton};
