package privacy

// What becomes of the rows about a person in a table. Every table of schema.sql is below, and a test holds this list
// against it, so that a new table cannot be forgotten.
const (
	remove = "DELETE" // the rows go
	keep   = "KEEP"   // they hold no personal data, or must stay: why is in the comment
	scrub  = "SCRUB"  // words are taken out of their texts
)

// table is a table of the file. The statements have one parameter, the Person as JSON.
type table struct {
	name  string
	about string   // the condition of the rows about a person, "" if there are none
	erase string   // one of the above, or SET …
	key   string   // the column that tells its rows apart, "" for id
	texts []string // columns in which a row that is not about the person may name them
}

// Conditions that many tables share.
const (
	ofID      = "customer_id = json_extract(?1, '$.id')"
	ofFinding = ofID + ` OR subject IN (SELECT value FROM json_each(?1, '$.links')) OR subject IN (SELECT value FROM json_each(?1, '$.objects'))
		OR job_key IN (SELECT value FROM json_each(?1, '$.stripe'))`
	gone = `SET payload = CAST(json_object('id', id, 'object', 'event', 'type', type, 'created', created_at / 1000, 'livemode', json(iif(livemode, 'true', 'false'))) AS BLOB),
		customer = '', object_id = '', charge = '', payment_intent = '', invoice = '', ignored = 'its customer was erased'`
)

// tables are in the order in which rows can be removed: what refers to others comes first.
var tables = [...]table{
	{name: "desk_tickets", about: "ticket_id IN (SELECT value FROM json_each(?1, '$.tickets'))", erase: remove},
	{name: "external_writes", about: ofID, erase: remove, texts: []string{"changes"}},
	{name: "external_refs", about: ofID, erase: remove, key: "system || ' ' || kind || ' ' || key", texts: []string{"problem"}},
	{name: "messages", about: "ticket_id IN (SELECT value FROM json_each(?1, '$.tickets'))", erase: remove, texts: []string{"body"}},
	{name: "tickets", about: "id IN (SELECT value FROM json_each(?1, '$.tickets'))", erase: remove, texts: []string{"subject"}},
	{name: "repairs", about: "finding_id IN (SELECT id FROM findings WHERE " + ofFinding + ")", erase: remove, texts: []string{"reason", "before", "after", "error"}},
	{name: "findings", about: ofFinding, erase: remove, texts: []string{"expected", "actual", "systems", "evidence", "job_args", "before", "dismissed_why"}},
	// What was done with money is proof for the books: when, how much, by whom.
	{name: "actions", about: ofID, erase: "SET stripe_customer = '', params = '{}'", texts: []string{"says", "reason", "outcome"}},
	{name: "tasks", about: ofID, erase: remove},
	{name: "notes", about: ofID, erase: remove},
	{name: "timeline", about: ofID, erase: remove, texts: []string{"text"}},
	{name: "contacts", about: ofID, erase: remove},
	{name: "checkouts", about: ofID, erase: remove},
	{name: "disputes", about: ofID, erase: remove},
	{name: "refunds", about: ofID, erase: remove},
	{name: "charges", about: ofID, erase: remove},
	{name: "invoices", about: ofID, erase: remove},
	{name: "subscriptions", about: ofID, erase: remove},
	{name: "stripe_customers", about: ofID, erase: remove},
	{name: "links", about: ofID, erase: remove},
	{name: "merges", about: "into_id = json_extract(?1, '$.id') OR from_id = json_extract(?1, '$.id')", erase: remove}, // with the record of the one that is gone
	// Their ids and times stay, so that they are known when they come again.
	{name: "events", about: "seq IN (SELECT value FROM json_each(?1, '$.events'))", erase: gone},
	{name: "jobs", about: `key IN (SELECT value FROM json_each(?1, '$.keys'))
		OR EXISTS (SELECT 1 FROM json_each(?1, '$.words') w WHERE instr(lower(args), lower(w.value)) > 0)`, erase: remove, texts: []string{"errors"}},
	{name: "mails", about: "EXISTS (SELECT 1 FROM json_each(?1, '$.probes') w WHERE instr(lower(text || subject), lower(w.value)) > 0)", erase: scrub,
		texts: []string{"recipients", "subject", "text", "html", "data", "error"}},
	{name: "runs", texts: []string{"error"}, erase: scrub},
	{name: "backfill_items", about: "customer IN (SELECT value FROM json_each(?1, '$.stripe'))", erase: remove},
	{name: "backfills", texts: []string{"error"}, erase: scrub},
	{name: "sweeps", texts: []string{"error"}, erase: scrub},
	{name: "connectors", key: "system", texts: []string{"held_reason", "problem"}, erase: scrub},
	{name: "circuits", key: "system", texts: []string{"reason"}, erase: scrub},
	{name: "alerts", key: "key", texts: []string{"causes"}, erase: scrub},
	{name: "alert_flips", texts: []string{"value"}, erase: scrub},
	{name: "alert_notices", texts: []string{"value", "cause"}, erase: scrub},
	// The record keeps its number; EraseCustomer empties it, and the search with it.
	{name: "customers", about: "id = json_extract(?1, '$.id')", erase: keep},
	// It tells of deeds by the numbers of what they were done to, and is chained by hashes: a changed row would be found.
	{name: "audit", about: `target = 'customer ' || json_extract(?1, '$.id') OR target IN (SELECT value FROM json_each(?1, '$.links'))
		OR EXISTS (SELECT 1 FROM json_each(?1, '$.links') l WHERE detail = l.value)`, erase: keep},

	// About nobody, about those who work here, or hashes.
	{name: "meta", erase: keep},
	{name: "schedules", erase: keep},
	{name: "stripe_reads", erase: keep},
	{name: "endpoint_checks", erase: keep},
	{name: "deliveries_minute", erase: keep},
	{name: "deliveries_failed", erase: keep},
	{name: "latency_minute", erase: keep},
	{name: "erased", erase: keep},
	{name: "users", erase: keep},
	{name: "sign_in_links", erase: keep},
	{name: "sessions", erase: keep},
	{name: "passkeys", erase: keep},
	{name: "totp", erase: keep},
	{name: "recovery_codes", erase: keep},
	{name: "api_keys", erase: keep},
}

// What rows about a person go by besides their id.
const (
	objectsOf = `SELECT id FROM subscriptions WHERE ` + ofID + `
		UNION SELECT id FROM invoices WHERE ` + ofID + ` UNION SELECT charge FROM invoices WHERE ` + ofID + ` UNION SELECT payment_intent FROM invoices WHERE ` + ofID + `
		UNION SELECT id FROM charges WHERE ` + ofID + ` UNION SELECT payment_intent FROM charges WHERE ` + ofID + `
		UNION SELECT id FROM refunds WHERE ` + ofID + ` UNION SELECT id FROM disputes WHERE ` + ofID + ` UNION SELECT id FROM checkouts WHERE ` + ofID

	// Tickets of somebody who was not known then name them in the first lines of the first message.
	ticketsOf = `SELECT id FROM tickets WHERE ` + ofID + `
		UNION SELECT t.id FROM tickets t JOIN messages m ON m.ticket_id = t.id WHERE t.customer_id IS NULL AND (
			EXISTS (SELECT 1 FROM json_each(?1, '$.users') u WHERE instr(m.body || char(10), 'User: ' || u.value || char(10)) > 0)
			OR EXISTS (SELECT 1 FROM json_each(?1, '$.emails') e WHERE instr(lower(m.body) || char(10), 'e-mail: ' || lower(e.value) || char(10)) > 0))`

	// Events that name no customer are found by what they refer to, or by the e-mail address in them.
	eventsOf = `SELECT seq FROM events WHERE customer IN (SELECT value FROM json_each(?1, '$.stripe'))
		UNION SELECT seq FROM events WHERE charge <> '' AND charge IN (SELECT value FROM json_each(?1, '$.objects'))
		UNION SELECT seq FROM events WHERE payment_intent <> '' AND payment_intent IN (SELECT value FROM json_each(?1, '$.objects'))
		UNION SELECT seq FROM events WHERE customer = '' AND (
			invoice <> '' AND invoice IN (SELECT value FROM json_each(?1, '$.objects'))
			OR object_id <> '' AND object_id IN (SELECT value FROM json_each(?1, '$.objects'))
			OR EXISTS (SELECT 1 FROM json_each(?1, '$.emails') e WHERE instr(lower(CAST(payload AS TEXT)), lower(e.value)) > 0))`

	// What is theirs in systems of other companies.
	remoteOf = `SELECT system || ' ' || kind || ' ' || remote_id FROM external_refs WHERE ` + ofID + ` AND remote_id <> ''`

	keysOf = `SELECT cause FROM tickets WHERE id IN (SELECT value FROM json_each(?1, '$.tickets'))
		UNION SELECT cause FROM tasks WHERE ` + ofID + ` UNION SELECT cause FROM notes WHERE ` + ofID + `
		UNION SELECT id FROM events WHERE seq IN (SELECT value FROM json_each(?1, '$.events'))`
)
