//! The one statement for the usual batch, in four variants: most batches need only the shortest.

use std::sync::Arc;

use super::month::Tables;

/// Request ids of which some may be taken, or none; messages of which some move in the list of what must be looked after,
/// or none.
pub(super) struct Variants([[Arc<str>; 2]; 2]);

impl Variants {
    /// The statement over these tables.
    pub(super) fn over(tables: &Tables) -> Self {
        Self([NEW, REPEATED].map(|requests| [STAYING, MOVING].map(|places| sql(tables, &requests, &places).into())))
    }

    /// The statement. `repeated`: request ids may be taken, and whoever asks with one is left alone; otherwise one that is
    /// taken fails it as a whole. `moving`: messages may move in the list, have their names already, or come with event
    /// keys; then it has ten parameters more.
    pub(super) fn get(&self, repeated: bool, moving: bool) -> &Arc<str> {
        &self.0[usize::from(repeated)][usize::from(moving)]
    }
}

/// What becomes of request ids that are taken.
struct Requests {
    unless_taken: &'static str,
    of_claimed: &'static str,
}

/// The condition always holds: it makes request ids go first, so that one that is taken is found before anything else is done.
const NEW: Requests = Requests { unless_taken: "", of_claimed: "(SELECT count(*) FROM claimed) >= 0" };

/// To ask for each whether it is taken before it is entered costs a tenth more.
const REPEATED: Requests = Requests {
    unless_taken: "ON CONFLICT DO NOTHING",
    of_claimed: "request = '' OR message IN (SELECT message_id FROM claimed)",
};

/// What becomes of the messages' places in the list.
struct Places {
    set: &'static str,
    columns: &'static str,
    stands: &'static str,
    first_name: &'static str,
    moved: &'static str,
}

/// All stay where they are, as nearly always when a vendor has answered. Where that is need not be asked: a message stands no
/// later than it was due, and is due no earlier now.
const STAYING: Places = Places { set: "", columns: "", stands: "", first_name: "name", moved: "" };

const MOVING: Places = Places {
    set: ", listed_at = listed",
    columns: ", unnest($30::timestamptz[]) AS listed, unnest($31::timestamptz[]) AS listed_before, \
        unnest($32::text[]) AS first_name",
    stands: "AND listed_at IS NOT DISTINCT FROM listed_before",
    first_name: "first_name",
    moved: ", \
        keyed AS (\
            INSERT INTO event_keys (event_key, message_id, recorded_at) \
            SELECT * FROM (SELECT unnest($33::bytea[]), unnest($34::text[]) AS message, unnest($35::timestamptz[])) AS new \
            WHERE (message IN (SELECT id FROM changed)) IS TRUE), \
        gone AS (\
            DELETE FROM open_messages USING unnest($36::timestamptz[], $37::text[]) AS old (listed, message) \
            WHERE listed_at = listed AND message_id = message AND (message IN (SELECT id FROM changed)) IS TRUE), \
        moved AS (\
            INSERT INTO open_messages (listed_at, message_id, created_at) \
            SELECT * FROM unnest($38::timestamptz[], $37::text[], $39::timestamptz[]) AS new (listed, message) \
            WHERE listed IS NOT NULL AND (message IN (SELECT id FROM changed)) IS TRUE)",
};

/// Request ids first and messages after, as in every transaction: whoever needs the other's order waits, never crosswise.
/// A subquery that is not at the top of a condition is hashed once, however many rows ask it. Arrays are taken apart in
/// select lists, row by row: as tables they would be copied first, each column for itself.
///
/// A message that gets its first name has no other of that name, and one that has not moved since it was read has none of
/// the events that were new to it then: names and keys are written without asking once more.
fn sql(tables: &Tables, requests: &Requests, places: &Places) -> String {
    let Tables { messages, names } = tables;
    let Requests { unless_taken, of_claimed } = requests;
    let Places { set, columns, stands, first_name, moved } = places;
    format!(
        "WITH claimed AS (\
            INSERT INTO request_ids (organization_id, request_id, message_id, created_at, fingerprint) \
            SELECT * FROM (SELECT unnest($2::text[]), unnest($13::text[]) AS request, unnest($1::text[]), \
            unnest($7::timestamptz[]), unnest($18::bytea[])) AS new \
            WHERE request <> '' {unless_taken} RETURNING message_id), \
        inserted AS (\
            INSERT INTO {messages} (id, organization_id, type, recipient, sender, body, created_at, provider, \
            provider_account, account_organization_id, config_revision, provider_config_version, request_id, labels, \
            content, events, due_at, listed_at, status) \
            SELECT *, due, 'REQUESTED' FROM (SELECT unnest($1::text[]) AS message, unnest($2::text[]), \
            unnest($3::text[]), unnest($4::text[]), unnest($5::text[]), unnest($6::text[]), unnest($7::timestamptz[]), \
            unnest($8::text[]), unnest($9::text[]), unnest($10::text[]), unnest($11::bigint[]), unnest($12::bigint[]), \
            unnest($13::text[]) AS request, unnest($14::text[]), unnest($15::text[]), unnest($16::text[]), \
            unnest($17::timestamptz[]) AS due) AS new \
            WHERE {of_claimed} RETURNING listed_at, id, created_at), \
        opened AS (INSERT INTO open_messages (listed_at, message_id, created_at) SELECT * FROM inserted), \
        changed AS (\
            UPDATE {messages} AS message SET status = new.status, provider_message_id = name, events = new.events, \
            failure = new.failure, accepted_at = accepted, result_at = result, due_at = due, checks = 0{set} \
            FROM (SELECT unnest($19::text[]) AS changing, unnest($20::timestamptz[]) AS created, \
            unnest($21::text[]) AS status, unnest($22::text[]) AS name, unnest($23::text[]) AS events, \
            unnest($24::text[]) AS failure, unnest($25::timestamptz[]) AS accepted, unnest($26::timestamptz[]) AS result, \
            unnest($27::timestamptz[]) AS due, unnest($28::timestamptz[]) AS due_before, \
            unnest($29::integer[]) AS events_before{columns}) AS new \
            WHERE (SELECT count(*) FROM claimed) >= 0 AND id = changing AND created_at = created \
            AND due_at IS NOT DISTINCT FROM due_before AND octet_length(message.events) = events_before {stands} \
            AND (NOT EXISTS (SELECT FROM parked_updates) \
            OR NOT EXISTS (SELECT FROM parked_updates AS early WHERE early.provider_message_id = name)) \
            RETURNING id, provider, created_at, {first_name} AS first_name), \
        named AS (\
            INSERT INTO {names} (provider_message_id, provider, message_id, created_at) \
            SELECT first_name, provider, id, created_at FROM changed WHERE first_name <> ''){moved} \
        SELECT CASE WHEN (SELECT count(*) FROM inserted) < cardinality($1) THEN ARRAY(SELECT id FROM inserted) END, \
        CASE WHEN (SELECT count(*) FROM changed) < cardinality($19) THEN ARRAY(SELECT id FROM changed) END"
    )
}
