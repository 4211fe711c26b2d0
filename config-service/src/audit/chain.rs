//! The links of the chain: SHA-256 over the hash before and every field of the event.

use ring::digest::{Context, SHA256, SHA256_OUTPUT_LEN};

use super::Draft;

/// A link's hash.
pub type Hash = [u8; SHA256_OUTPUT_LEN];

/// The hash before the first event.
pub const ORIGIN: Hash = [0; SHA256_OUTPUT_LEN];

/// The hash of an event that follows one with the hash `before`.
///
/// Every field is hashed with its length, so that no text can slide from one field into the next.
pub fn link(before: &Hash, sequence: i64, revision: i64, what: &Draft) -> Hash {
    let mut chain = Chain(Context::new(&SHA256));
    chain.text("switchboard audit v1");
    chain.0.update(before);
    chain.number(sequence);
    chain.number(revision);
    chain.number(what.at.timestamp_micros());
    chain.text(&what.actor);
    chain.count(what.roles.len());
    for role in &what.roles {
        chain.text(role);
    }
    for field in [&what.action, &what.organization_id, &what.provider, &what.outcome] {
        chain.text(field);
    }
    chain.count(what.changes.len());
    for change in &what.changes {
        chain.text(&change.field);
        chain.text(&change.before);
        chain.text(&change.after);
        chain.number(change.secret.into());
    }
    chain.number(what.forced.into());
    chain.text(&what.request_id);
    chain.text(&what.peer);
    let mut hash = ORIGIN;
    hash.copy_from_slice(chain.0.finish().as_ref());
    hash
}

struct Chain(Context);

impl Chain {
    fn number(&mut self, number: i64) {
        self.0.update(&number.to_be_bytes());
    }

    fn count(&mut self, count: usize) {
        self.number(i64::try_from(count).unwrap_or(i64::MAX));
    }

    fn text(&mut self, text: &str) {
        self.count(text.len());
        self.0.update(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::{super::FieldChange, *};

    fn draft() -> Draft {
        Draft {
            at: DateTime::from_timestamp_micros(1_700_000_000_000_001).unwrap(),
            actor: "operator".to_owned(),
            roles: vec!["OPERATOR".to_owned(), "VIEWER".to_owned()],
            action: "UpdateRouting".to_owned(),
            organization_id: "acme".to_owned(),
            provider: "cloudmsg".to_owned(),
            outcome: "OK".to_owned(),
            changes: vec![FieldChange::open("routing.primary", "a", "b")],
            forced: false,
            request_id: "r-1".to_owned(),
            peer: "127.0.0.1:1".to_owned(),
        }
    }

    #[test]
    fn every_field_of_an_event_is_in_its_hash() {
        let hash = link(&ORIGIN, 1, 1, &draft());
        assert_eq!(hash, link(&ORIGIN, 1, 1, &draft()));
        let mut altered: Vec<Hash> =
            vec![link(&[1; 32], 1, 1, &draft()), link(&ORIGIN, 2, 1, &draft()), link(&ORIGIN, 1, 2, &draft())];
        let alterations: [fn(&mut Draft); 13] = [
            |d| d.at += chrono::TimeDelta::microseconds(1),
            |d| d.actor.push('x'),
            |d| d.roles.truncate(1),
            |d| d.action.push('x'),
            |d| d.organization_id.push('x'),
            |d| d.provider.push('x'),
            |d| d.outcome.push('x'),
            |d| d.changes.clear(),
            |d| d.changes[0].secret = true,
            |d| d.changes[0].before = String::new(),
            |d| d.forced = true,
            |d| d.request_id.push('x'),
            |d| d.peer.push('x'),
        ];
        for alter in alterations {
            let mut draft = draft();
            alter(&mut draft);
            altered.push(link(&ORIGIN, 1, 1, &draft));
        }
        assert!(!altered.contains(&hash));
        altered.sort_unstable();
        altered.dedup();
        assert_eq!(altered.len(), 16);
    }

    #[test]
    fn text_cannot_slide_from_one_field_into_the_next() {
        let slid = Draft { action: "UpdateRoutingacme".to_owned(), organization_id: String::new(), ..draft() };
        assert_ne!(link(&ORIGIN, 1, 1, &draft()), link(&ORIGIN, 1, 1, &slid));
    }
}
