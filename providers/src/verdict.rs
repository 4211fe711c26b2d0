//! What a vendor's code means: the shape that the vendors' error tables share.

use std::time::Duration;

use crate::model::{Failure, FailureCode, Fault, LookUpError, Refusal, SendOutcome};

/// What a code proves about the message that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Not accepted, and the same message will not be until somebody mends something.
    Permanent(Fault),
    /// Not accepted now; the same message may be accepted later.
    Temporary(Fault),
    /// Accepted or not: nobody knows.
    InDoubt,
}

/// The meaning of one code, or of an answer without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Meaning {
    /// What it proves.
    pub(crate) verdict: Verdict,
    /// The neutral code.
    pub(crate) code: FailureCode,
    /// One sentence for a person. Ours, since the vendor's may repeat a number or a text.
    pub(crate) detail: &'static str,
}

impl Meaning {
    /// See [`Verdict::Permanent`].
    pub(crate) const fn permanent(fault: Fault, code: FailureCode, detail: &'static str) -> Self {
        Self { verdict: Verdict::Permanent(fault), code, detail }
    }

    /// See [`Verdict::Temporary`].
    pub(crate) const fn temporary(fault: Fault, code: FailureCode, detail: &'static str) -> Self {
        Self { verdict: Verdict::Temporary(fault), code, detail }
    }

    /// See [`Verdict::InDoubt`].
    pub(crate) const fn in_doubt(code: FailureCode, detail: &'static str) -> Self {
        Self { verdict: Verdict::InDoubt, code, detail }
    }

    /// The meaning as found in an answer that has nothing more to tell.
    pub(crate) fn found(self) -> Finding {
        Finding { meaning: self, provider_code: String::new(), retry_after: None }
    }
}

/// What an answer came to that is not the success hoped for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// What the code means.
    pub(crate) meaning: Meaning,
    /// The code as it came; empty: none.
    pub(crate) provider_code: String,
    /// `Retry-After`.
    pub(crate) retry_after: Option<Duration>,
}

impl Finding {
    /// The outcome of a send that was answered so.
    pub(crate) fn into_outcome(self) -> SendOutcome {
        let Meaning { verdict, code, detail } = self.meaning;
        let (fault, retryable) = match verdict {
            Verdict::Permanent(fault) => (fault, false),
            Verdict::Temporary(fault) => (fault, true),
            // Never "retryable": whoever sends it anew may send it twice.
            Verdict::InDoubt => {
                return SendOutcome::InDoubt(Failure::new(code, self.provider_code, detail, false));
            }
        };
        let failure = Failure::new(code, self.provider_code, detail, retryable);
        SendOutcome::Refused(Refusal { failure, fault, retry_after: self.retry_after })
    }

    /// The failure of a call that changes nothing and may be repeated at will.
    pub(crate) fn into_failure(self) -> Failure {
        let retryable = !matches!(self.meaning.verdict, Verdict::Permanent(_));
        Failure::new(self.meaning.code, self.provider_code, self.meaning.detail, retryable)
    }

    /// The same for a step before the send: whatever became of the step, no message exists.
    pub(crate) fn into_refusal(self) -> Refusal {
        let fault = match self.meaning.verdict {
            Verdict::Permanent(fault) | Verdict::Temporary(fault) => fault,
            Verdict::InDoubt => Fault::Vendor,
        };
        Refusal { fault, retry_after: self.retry_after, failure: self.into_failure() }
    }

    /// The same for a look-up.
    pub(crate) fn into_look_up_error(self) -> LookUpError {
        LookUpError { retry_after: self.retry_after, failure: self.into_failure() }
    }
}

/// A refusal that needs no vendor to be made.
pub(crate) fn refused(fault: Fault, code: FailureCode, detail: impl Into<String>) -> SendOutcome {
    SendOutcome::Refused(Refusal { failure: Failure::new(code, "", detail, false), fault, retry_after: None })
}
