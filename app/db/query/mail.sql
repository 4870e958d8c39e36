-- name: InsertMail :one
-- No row: a mail with this key was stored before.
INSERT INTO mails (key, recipients, subject, text, html, data, news, state, created_at)
VALUES (@key, @recipients, @subject, @text, @html, @data, @news, @state, @created_at)
ON CONFLICT (key) DO NOTHING
RETURNING id;

-- name: MailByID :one
SELECT * FROM mails WHERE id = ?;

-- name: MailByKey :one
SELECT * FROM mails WHERE key = ?;

-- name: ListMails :many
-- The newest mails below id @before, their contents left out.
SELECT id, key, recipients, subject, state, error, created_at, sent_at FROM mails
WHERE id < @before ORDER BY id DESC LIMIT @n;

-- name: SaveMailOutcome :exec
-- What a sent mail has become stays as it is. Its secret is kept for as long as it may be sent again.
UPDATE mails SET state = @state, error = @error, sent_at = @sent_at, secret = IIF(@state = 'waiting', secret, x'')
WHERE id = @id AND state <> 'sent';

-- name: SupersedeMails :many
-- News to the same people that has waited since before a time is not sent any more.
UPDATE mails SET state = 'superseded', error = @error
WHERE state = 'waiting' AND news = 1 AND recipients = @recipients AND created_at < @before
RETURNING id, subject, created_at;
