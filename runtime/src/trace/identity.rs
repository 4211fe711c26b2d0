//! How a message's trace is named, and the caller's trace that it is linked with.

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use uuid::Uuid;

/// Who called, as its `traceparent` says (W3C Trace Context, level 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    trace: TraceId,
    span: SpanId,
    sampled: bool,
}

impl Caller {
    /// Reads `00-<trace>-<span>-<flags>`; `None` for anything else.
    pub(super) fn parse(traceparent: &str) -> Option<Self> {
        let mut parts = traceparent.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        // A later version may have more parts; version 00 has not, and ff is none.
        let whole = version.len() == 2 && trace.len() == 32 && span.len() == 16 && flags.len() == 2;
        let hex = |part: &str| part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !whole || ![version, trace, span, flags].into_iter().all(hex) || version == "ff" {
            return None;
        }
        if version == "00" && parts.next().is_some() {
            return None;
        }
        let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
        let flags = u8::from_str_radix(flags, 16).ok()?;
        let known = trace != TraceId::INVALID && span != SpanId::INVALID;
        known.then_some(Self { trace, span, sampled: flags & 1 == 1 })
    }

    pub(super) fn trace(self) -> TraceId {
        self.trace
    }

    pub(super) fn span(self) -> SpanId {
        self.span
    }

    pub(super) fn is_sampled(self) -> bool {
        self.sampled
    }
}

/// The trace of a message: its id without the hyphens. The last half of it is the id of the span that all others are
/// children of, so that every process knows both without being told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MessageTrace {
    id: Uuid,
}

impl MessageTrace {
    /// `None` for what is no id of ours.
    pub(super) fn of(message_id: &str) -> Option<Self> {
        let id = Uuid::try_parse(message_id).ok()?;
        (id.get_version_num() == 7).then_some(Self { id })
    }

    pub(super) fn trace(self) -> TraceId {
        TraceId::from_bytes(self.id.into_bytes())
    }

    pub(super) fn root(self) -> SpanId {
        let [.., a, b, c, d, e, f, g, h] = self.id.into_bytes();
        SpanId::from_bytes([a, b, c, d, e, f, g, h])
    }

    /// Whether it is among the share that is traced: by the random end of the id, so that all processes agree.
    pub(super) fn is_sampled(self, ratio: f64) -> bool {
        let [.., a, b, c, d] = self.id.into_bytes();
        f64::from(u32::from_be_bytes([a, b, c, d])) < ratio * (f64::from(u32::MAX) + 1.0)
    }
}

/// A span by its name, for a link.
pub(super) fn context(trace: TraceId, span: SpanId) -> SpanContext {
    SpanContext::new(trace, span, TraceFlags::SAMPLED, true, TraceState::default())
}

#[cfg(test)]
mod tests {
    use chrono::Utc;

    use super::*;
    use crate::Ids;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

    #[test]
    fn a_traceparent_is_read_as_it_is_defined_and_not_otherwise() {
        let caller = Caller::parse(&format!("00-{TRACE}-b7ad6b7169203331-01")).unwrap();
        assert_eq!((caller.trace.to_string(), caller.span.to_string()), (TRACE.to_owned(), "b7ad6b7169203331".into()));
        assert!(caller.is_sampled());
        assert!(!Caller::parse(&format!("00-{TRACE}-b7ad6b7169203331-02")).unwrap().is_sampled());
        assert!(Caller::parse(&format!("cc-{TRACE}-b7ad6b7169203331-01-more")).is_some(), "a later version");
        for wrong in [
            String::new(),
            TRACE.to_owned(),
            format!("ff-{TRACE}-b7ad6b7169203331-01"),
            format!("00-{TRACE}-b7ad6b7169203331-01-more"),
            format!("00-{TRACE}-0000000000000000-01"),
            format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)),
            format!("00-{}-b7ad6b7169203331-01", TRACE.to_uppercase()),
            format!("00-{TRACE}-b7ad6b716920333-01"),
            format!("00-{TRACE}-+7ad6b7169203331-01"),
        ] {
            assert_eq!(Caller::parse(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_message_id_is_its_trace() {
        let trace = MessageTrace::of("018f2d5e-7c1a-7abc-8def-0123456789ab").unwrap();
        assert_eq!(trace.trace().to_string(), "018f2d5e7c1a7abc8def0123456789ab");
        assert_eq!(trace.root().to_string(), "8def0123456789ab");
        for other in ["", "m-1", "018f2d5e-7c1a-4abc-8def-0123456789ab"] {
            assert_eq!(MessageTrace::of(other), None, "{other}");
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    fn about_the_share_that_is_wanted_is_traced() {
        let (ids, now) = (Ids::new(), Utc::now());
        let traces: Vec<_> = (0..4_000).map(|_| MessageTrace::of(&ids.next(now)).unwrap()).collect();
        let share = |ratio: f64| traces.iter().filter(|trace| trace.is_sampled(ratio)).count();
        assert_eq!((share(0.0), share(1.0)), (0, 4_000));
        assert!((800..1_200).contains(&share(0.25)), "{}", share(0.25));
    }
}
