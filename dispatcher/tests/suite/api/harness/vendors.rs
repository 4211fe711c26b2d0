//! What the vendors saw.

use switchboard_vendor_sim::{Fault, FaultRule, Message, VendorHandle, VendorSim, Verdict};

use crate::support::eventually;

/// Both simulated vendors, and the words in which tests ask them.
pub struct Vendors(pub VendorSim);

impl Vendors {
    pub fn cloudmsg(&self) -> VendorHandle {
        (*self.0.cloudmsg()).clone()
    }

    pub fn sendtalk(&self) -> VendorHandle {
        (*self.0.sendtalk()).clone()
    }
}

/// Questions to one vendor.
pub trait Seen {
    /// How many sends it received, of whatever kind and end.
    fn sends(&self) -> usize;
    /// The one message that it has; fails if there is none, or another, or a request that it found wrong.
    fn only_message(&self) -> Message;
    /// Waits until it has a message.
    fn has_message(&self) -> impl Future<Output = Message>;
    /// The next send ends so.
    fn next_send(&self, fault: Fault);
}

impl Seen for VendorHandle {
    fn sends(&self) -> usize {
        self.journal().sends().count()
    }

    #[track_caller]
    fn only_message(&self) -> Message {
        let journal = self.journal();
        let wrong: Vec<_> = journal.requests.iter().filter(|request| request.verdict != Verdict::Valid).collect();
        assert!(wrong.is_empty(), "the vendor found fault: {wrong:#?}");
        let warned: Vec<_> = journal.requests.iter().flat_map(|request| &request.warnings).collect();
        assert!(warned.is_empty(), "the vendor wondered about: {warned:?}");
        let mut messages = self.messages();
        assert_eq!((journal.sends().count(), messages.len()), (1, 1), "exactly one send and one message");
        messages.remove(0)
    }

    async fn has_message(&self) -> Message {
        eventually("the vendor has the message", async || self.messages().into_iter().next()).await
    }

    fn next_send(&self, fault: Fault) {
        self.add_fault(FaultRule::next_send(fault));
    }
}
