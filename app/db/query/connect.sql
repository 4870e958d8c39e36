-- name: AddConnector :exec
-- What is new observes; one that is known stays as it was set.
INSERT INTO connectors (system, mode, updated_at) VALUES (@system, @mode, @now) ON CONFLICT (system) DO NOTHING;

-- name: Connector :one
SELECT * FROM connectors WHERE system = ?;

-- name: Connectors :many
SELECT * FROM connectors ORDER BY system;

-- name: SetConnectorMode :execrows
-- What must be there before the first write is checked again.
UPDATE connectors SET mode = @mode, checked_at = 0, problem = '', updated_at = @now WHERE system = @system AND mode <> @mode;

-- name: HoldConnector :exec
UPDATE connectors SET held_at = @now, held_reason = @reason WHERE system = @system AND held_at = 0;

-- name: ResumeConnector :exec
UPDATE connectors SET held_at = 0, held_reason = '' WHERE system = @system;

-- name: CheckConnector :exec
UPDATE connectors SET checked_at = @now, problem = @problem WHERE system = @system;

-- name: NoteConnector :exec
UPDATE connectors SET problem = @problem WHERE system = @system;

-- name: SetConnectorCursor :exec
UPDATE connectors SET cursor = @cursor WHERE system = @system;

-- name: ExternalRef :one
SELECT * FROM external_refs WHERE system = ? AND kind = ? AND key = ?;

-- name: ExternalRefByRemote :one
SELECT * FROM external_refs WHERE system = ? AND kind = ? AND remote_id = ?;

-- name: SaveExternalRef :exec
INSERT INTO external_refs (system, kind, key, customer_id, remote_id, state, hash, problem, tried_at, linked_at, updated_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (system, kind, key) DO UPDATE SET customer_id = excluded.customer_id, remote_id = excluded.remote_id, state = excluded.state,
  hash = excluded.hash, problem = excluded.problem, tried_at = excluded.tried_at, linked_at = excluded.linked_at, updated_at = excluded.updated_at;

-- name: ObservedRefs :many
-- Records that were only observed, or that differ since they were written, by kind and key after a pair of them.
SELECT * FROM external_refs
WHERE external_refs.system = @system AND (external_refs.kind > @kind OR external_refs.kind = @kind AND external_refs.key > @key)
  AND (external_refs.state = 'observed' OR external_refs.state = 'linked' AND EXISTS (
    SELECT 1 FROM external_writes w WHERE w.system = external_refs.system AND w.kind = external_refs.kind AND w.key = external_refs.key AND w.observed = 1))
ORDER BY external_refs.kind, external_refs.key LIMIT @n;

-- name: UnknownContacts :many
-- Contacts that a connector has not looked at yet.
SELECT * FROM contacts
WHERE contacts.id > @after AND NOT EXISTS (
  SELECT 1 FROM external_refs r WHERE r.system = @system AND r.kind = 'contact' AND r.key = CAST(@own AS TEXT) || contacts.customer_id)
ORDER BY contacts.id LIMIT @n;

-- name: UnknownTasks :many
-- Tasks that are to be done and that a connector has not looked at yet.
SELECT * FROM tasks
WHERE tasks.id > @after AND tasks.done_at = 0 AND NOT EXISTS (
  SELECT 1 FROM external_refs r WHERE r.system = @system AND r.kind = 'task' AND r.key = tasks.cause)
ORDER BY tasks.id LIMIT @n;

-- name: TicketsBehind :many
-- Tickets that a connector has not looked at yet while they are open, or that changed here since it wrote them.
SELECT * FROM tickets
WHERE tickets.id > @after AND (
  tickets.status = 'open' AND NOT EXISTS (SELECT 1 FROM external_refs r WHERE r.system = @system AND r.kind = 'ticket' AND r.key = tickets.cause)
  OR EXISTS (SELECT 1 FROM desk_tickets d WHERE d.ticket_id = tickets.id AND d.system = @system
    AND (d.agreed <> tickets.status OR d.as_of_at < tickets.updated_at)))
ORDER BY tickets.id LIMIT @n;

-- name: SkipUnknownContacts :exec
INSERT INTO external_refs (system, kind, key, customer_id, state, updated_at)
SELECT CAST(@system AS TEXT), 'contact', CAST(@own AS TEXT) || c.customer_id, c.customer_id, 'skipped', CAST(@now AS INTEGER)
FROM contacts c WHERE true ON CONFLICT DO NOTHING;

-- name: SkipUnknownTasks :exec
INSERT INTO external_refs (system, kind, key, customer_id, state, updated_at)
SELECT CAST(@system AS TEXT), 'task', t.cause, t.customer_id, 'skipped', CAST(@now AS INTEGER) FROM tasks t WHERE t.done_at = 0 ON CONFLICT DO NOTHING;

-- name: SkipUnknownTickets :exec
INSERT INTO external_refs (system, kind, key, customer_id, state, updated_at)
SELECT CAST(@system AS TEXT), 'ticket', t.cause, COALESCE(t.customer_id, 0), 'skipped', CAST(@now AS INTEGER) FROM tickets t WHERE true ON CONFLICT DO NOTHING;

-- name: CountExternalRefs :many
SELECT kind, state, CAST(COUNT(*) AS INTEGER) AS n FROM external_refs WHERE system = ? GROUP BY kind, state;

-- name: TroubledExternalRefs :many
-- What a person should know of: an outcome that is not known, and what waits for an answer.
SELECT * FROM external_refs WHERE system = @system AND state IN ('unknown', 'asking', 'intended') AND (problem <> '' OR tried_at <> 0)
ORDER BY updated_at DESC LIMIT @n;

-- name: SkipObserved :execrows
UPDATE external_refs SET state = 'skipped', updated_at = @now WHERE system = @system AND state = 'observed';

-- name: DropObservedWrite :exec
DELETE FROM external_writes WHERE system = ? AND kind = ? AND key = ? AND observed = 1;

-- name: InsertExternalWrite :exec
INSERT INTO external_writes (system, kind, key, customer_id, observed, action, by_hand, changes, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: ExternalWritesPage :many
SELECT * FROM external_writes WHERE system = @system AND observed = @observed AND id < @before ORDER BY id DESC LIMIT @n;

-- name: CountObservedWrites :many
SELECT kind, action, CAST(COUNT(*) AS INTEGER) AS n FROM external_writes WHERE system = @system AND observed = 1 GROUP BY kind, action;

-- name: PruneExternalWrites :execrows
DELETE FROM external_writes WHERE observed = 0 AND created_at < @before;

-- name: TaskByCause :one
SELECT * FROM tasks WHERE cause = ?;

-- name: NoteByCause :one
SELECT * FROM notes WHERE cause = ?;

-- name: DeskTicket :one
SELECT * FROM desk_tickets WHERE ticket_id = ?;

-- name: SaveDeskTicket :exec
INSERT INTO desk_tickets (ticket_id, system, remote_id, url, status, assignee, agreed, as_of_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (ticket_id) DO UPDATE SET system = excluded.system, remote_id = excluded.remote_id, url = excluded.url, status = excluded.status,
  assignee = excluded.assignee, agreed = excluded.agreed, as_of_at = excluded.as_of_at;

-- name: DeskTicketsOf :many
-- Of some tickets, given as a JSON list of their numbers.
SELECT d.* FROM desk_tickets d WHERE d.ticket_id IN (SELECT value FROM json_each(@ids));

-- name: DeleteGoneContact :exec
-- The CRM was read whole and has it no more.
DELETE FROM contacts WHERE customer_id = @customer_id AND updated_at < @before;

-- name: JoinedContacts :many
-- Other contacts of a customer: of those it was joined with.
SELECT * FROM external_refs
WHERE system = @system AND kind = 'contact' AND customer_id = @customer_id AND key <> @key AND remote_id <> '' ORDER BY key;

-- name: DropInherited :exec
-- A contact that another row of the same customer has now.
DELETE FROM external_refs
WHERE system = @system AND kind = 'contact' AND customer_id = @customer_id AND key <> @key AND (remote_id = @remote_id OR state IN ('observed', 'skipped'));
