-- The tables as they are today. A new file is created from this text; an older file is lifted to it
-- by the steps in app/db/migrate.go, and a test proves that both ways end in the same schema.
--
-- Times are INTEGER unix milliseconds UTC in *_at columns, 0 meaning "never" or "not known".
-- Money is integer minor units of a lower-case ISO 4217 currency. The time is always a parameter:
-- no statement asks SQLite for it.

-- Facts about this file: one row each, written once or rarely.
CREATE TABLE meta (
  name  TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What Stripe sent, as it was sent. An event is a hint to look at its customer again.
CREATE TABLE events (
  seq            INTEGER PRIMARY KEY,           -- order of arrival
  id             TEXT    NOT NULL UNIQUE,       -- evt_…
  type           TEXT    NOT NULL,
  api_version    TEXT    NOT NULL DEFAULT '',   -- of the payload; '' for thin events
  account        TEXT    NOT NULL DEFAULT '',   -- acct_… when it belongs to a connected account
  livemode       INTEGER NOT NULL,
  object_type    TEXT    NOT NULL DEFAULT '',
  object_id      TEXT    NOT NULL DEFAULT '',
  customer       TEXT    NOT NULL DEFAULT '',   -- cus_…, '' where the object names none and none was found
  charge         TEXT    NOT NULL DEFAULT '',   -- what the object refers to: the way to the
  payment_intent TEXT    NOT NULL DEFAULT '',   -- customer of an object that names none
  invoice        TEXT    NOT NULL DEFAULT '',
  source         TEXT    NOT NULL CHECK (source = 'webhook' OR source = 'replay' OR source = 'sweep'), -- not with IN: see jobs
  ignored        TEXT    NOT NULL DEFAULT '',   -- why nothing follows from it; '' if something may
  created_at     INTEGER NOT NULL,              -- Stripe's clock, whole seconds
  received_at    INTEGER NOT NULL,
  purged_at      INTEGER NOT NULL DEFAULT 0,    -- when the payload was thrown away
  payload        BLOB    NOT NULL
) STRICT;
CREATE INDEX events_customer ON events (customer, created_at);
CREATE INDEX events_object ON events (object_id) WHERE customer <> '';
CREATE INDEX events_charge ON events (charge) WHERE charge <> '';
CREATE INDEX events_payment_intent ON events (payment_intent) WHERE payment_intent <> '';
CREATE INDEX events_of_nobody ON events (invoice) WHERE customer = '' AND ignored = '';
CREATE INDEX events_received ON events (received_at, type);
CREATE INDEX events_ignored ON events (received_at) WHERE ignored <> '';

-- What each look at Stripe's list of events found. The newest complete one says how far the events are known.
CREATE TABLE sweeps (
  id          INTEGER PRIMARY KEY,
  state       TEXT    NOT NULL CHECK (state IN ('complete', 'incomplete')),
  undelivered INTEGER NOT NULL,                 -- it asked for what Stripe could not deliver as well
  since_at    INTEGER NOT NULL,                 -- Stripe's clock, as mark_at
  mark_at     INTEGER NOT NULL,                 -- creation of the newest event listed; 0: there was none yet
  gap_at      INTEGER NOT NULL DEFAULT 0,       -- the complete one before it, if Stripe's list no longer reaches back so far
  listed      INTEGER NOT NULL,
  found       INTEGER NOT NULL,                 -- how many of them were not here
  missing     INTEGER NOT NULL,                 -- how many of those a webhook should have brought by then
  late_ms     INTEGER NOT NULL,                 -- how old the oldest of those was
  error       TEXT    NOT NULL DEFAULT '',
  started_at  INTEGER NOT NULL,
  finished_at INTEGER NOT NULL
) STRICT;
CREATE INDEX sweeps_missing ON sweeps (started_at) WHERE missing > 0;
CREATE INDEX sweeps_complete ON sweeps (undelivered, id) WHERE state = 'complete';

-- How often Stripe was asked, by UTC day and what for.
CREATE TABLE stripe_reads (
  day     TEXT    NOT NULL,
  purpose TEXT    NOT NULL,
  n       INTEGER NOT NULL,
  PRIMARY KEY (day, purpose)
) STRICT, WITHOUT ROWID;

-- What Stripe last said of our webhook endpoint. One row.
CREATE TABLE endpoint_checks (
  id       INTEGER PRIMARY KEY CHECK (id = 1),
  known    INTEGER NOT NULL,                    -- 0: it could not be read, see reason
  reason   TEXT    NOT NULL,
  problems TEXT    NOT NULL CHECK (json_valid(problems)),
  as_of_at INTEGER NOT NULL
) STRICT;

-- Readings of everything Stripe has, from the first page to the last record. They go on after a restart.
CREATE TABLE backfills (
  id          INTEGER PRIMARY KEY,
  reason      TEXT    NOT NULL,
  state       TEXT    NOT NULL CHECK (state IN ('customers', 'subscriptions', 'deleted', 'records', 'complete', 'incomplete')),
  cursor      TEXT    NOT NULL DEFAULT '',      -- the last id of the list that is being read
  error       TEXT    NOT NULL DEFAULT '',      -- of the last attempt
  started_at  INTEGER NOT NULL,
  updated_at  INTEGER NOT NULL,
  finished_at INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX backfills_open ON backfills ((1)) WHERE finished_at = 0;

-- What Stripe listed for a backfill: what must be stored here at its end.
CREATE TABLE backfill_items (
  backfill_id INTEGER NOT NULL REFERENCES backfills (id),
  kind        TEXT    NOT NULL CHECK (kind IN ('customer', 'subscription')),
  id          TEXT    NOT NULL,
  customer    TEXT    NOT NULL,
  done_at     INTEGER NOT NULL DEFAULT 0,       -- of customers: read and written
  error       TEXT    NOT NULL DEFAULT '',      -- why it could not be
  PRIMARY KEY (backfill_id, kind, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX backfill_open_items ON backfill_items (backfill_id, id) WHERE kind = 'customer' AND done_at = 0;

-- Work to do, and work done. The words are River's.
CREATE TABLE jobs (
  id           INTEGER PRIMARY KEY,
  kind         TEXT    NOT NULL,
  key          TEXT    NOT NULL,               -- what it is about; jobs of one kind and key never overlap
  args         TEXT    NOT NULL CHECK (json_valid(args)),
  state        TEXT    NOT NULL,
  attempt      INTEGER NOT NULL DEFAULT 0,
  max_attempts INTEGER NOT NULL,
  errors       TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(errors)), -- [{at, attempt, error}], newest last
  created_at   INTEGER NOT NULL,
  scheduled_at INTEGER NOT NULL,               -- not before this time
  attempted_at INTEGER NOT NULL DEFAULT 0,
  finalized_at INTEGER NOT NULL DEFAULT 0,
  -- Not with IN: SQLite makes a table of a longer list each time it checks a row.
  CHECK (CASE state
    WHEN 'available' THEN finalized_at = 0 WHEN 'retryable' THEN finalized_at = 0 WHEN 'running'   THEN finalized_at = 0
    WHEN 'completed' THEN finalized_at > 0 WHEN 'discarded' THEN finalized_at > 0 WHEN 'cancelled' THEN finalized_at > 0
    ELSE FALSE END)
) STRICT;
-- At most one waiting and one running job for each thing: bursts join, and nothing is worked on twice at once.
CREATE UNIQUE INDEX jobs_waiting ON jobs (kind, key) WHERE state IN ('available', 'retryable');
CREATE UNIQUE INDEX jobs_running ON jobs (kind, key) WHERE state = 'running';
CREATE INDEX jobs_due ON jobs (scheduled_at, id) WHERE state IN ('available', 'retryable');
CREATE INDEX jobs_finalized ON jobs (state, finalized_at) WHERE finalized_at <> 0;
CREATE INDEX jobs_done ON jobs (key, finalized_at) WHERE finalized_at <> 0;

-- A system that refuses us or does not answer is left alone until a time.
CREATE TABLE circuits (
  system    TEXT    NOT NULL PRIMARY KEY,      -- stripe, crm, desk, mail
  failures  INTEGER NOT NULL,                  -- in a row
  reason    TEXT    NOT NULL,
  opened_at INTEGER NOT NULL,                  -- 0 while closed
  until_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What runs by the calendar, and when it last did.
CREATE TABLE schedules (
  name        TEXT    NOT NULL PRIMARY KEY,
  spec        TEXT    NOT NULL,                -- cron expression in the company's time zone
  timezone    TEXT    NOT NULL,
  next_at     INTEGER NOT NULL,
  last_day    TEXT    NOT NULL DEFAULT ''      -- local date of the last run, YYYY-MM-DD: at most one a day
) STRICT, WITHOUT ROWID;

-- One row for each person or company that pays, or may: the canonical record.
CREATE TABLE customers (
  id                    INTEGER PRIMARY KEY AUTOINCREMENT, -- never given twice: links and the audit name it
  name                  TEXT    NOT NULL DEFAULT '',
  email                 TEXT    NOT NULL DEFAULT '',
  plan                  TEXT    NOT NULL DEFAULT '',
  status                TEXT    NOT NULL DEFAULT '',  -- of the subscription that counts, in Stripe's word
  access                TEXT    NOT NULL DEFAULT 'none' CHECK (access IN ('full', 'grace', 'none', 'pending')),
  access_reason         TEXT    NOT NULL DEFAULT '',
  access_until_at       INTEGER NOT NULL DEFAULT 0,
  last_paid_at          INTEGER NOT NULL DEFAULT 0,
  last_payment_status   TEXT    NOT NULL DEFAULT '' CHECK (last_payment_status IN ('', 'paid', 'failed', 'refunded', 'partially_refunded', 'disputed')),
  last_payment_amount   INTEGER NOT NULL DEFAULT 0,
  last_payment_currency TEXT    NOT NULL DEFAULT '',
  refunded_amount       INTEGER NOT NULL DEFAULT 0,   -- of all payments in last_payment_currency
  open_disputes         INTEGER NOT NULL DEFAULT 0,
  deleted               INTEGER NOT NULL DEFAULT 0,   -- every Stripe customer of it is deleted
  source                TEXT    NOT NULL DEFAULT '' CHECK (source IN ('', 'api', 'events')),
  as_of_at              INTEGER NOT NULL DEFAULT 0,   -- of the oldest reading it is made from
  created_at            INTEGER NOT NULL,
  updated_at            INTEGER NOT NULL,
  synced_at             INTEGER NOT NULL DEFAULT 0,   -- when the effects of its state were queued last
  erased_at             INTEGER NOT NULL DEFAULT 0    -- when the person was erased: the row stays for its number
) STRICT;
CREATE INDEX customers_email ON customers (email COLLATE NOCASE);
CREATE INDEX customers_access ON customers (access, id);
CREATE INDEX customers_plan ON customers (plan, id);
CREATE INDEX customers_created ON customers (created_at);

-- Finds a part of a name or e-mail among many: an index of every three letters in a row.
CREATE VIRTUAL TABLE customer_search USING fts5 (name, email, content = 'customers', content_rowid = 'id', tokenize = 'trigram');
-- Deleted names leave the index at once, and not when its parts are merged some day.
INSERT INTO customer_search (customer_search, rank) VALUES ('secure-delete', 1);
CREATE TRIGGER customer_search_insert AFTER INSERT ON customers BEGIN
  INSERT INTO customer_search (rowid, name, email) VALUES (new.id, new.name, new.email);
END;
CREATE TRIGGER customer_search_delete AFTER DELETE ON customers BEGIN
  INSERT INTO customer_search (customer_search, rowid, name, email) VALUES ('delete', old.id, old.name, old.email);
END;
CREATE TRIGGER customer_search_update AFTER UPDATE OF name, email ON customers WHEN old.name <> new.name OR old.email <> new.email BEGIN
  INSERT INTO customer_search (customer_search, rowid, name, email) VALUES ('delete', old.id, old.name, old.email);
  INSERT INTO customer_search (rowid, name, email) VALUES (new.id, new.name, new.email);
END;

-- Which remote records are the same customer.
CREATE TABLE links (
  system      TEXT    NOT NULL CHECK (system IN ('user', 'anonymous', 'stripe', 'crm', 'desk')),
  remote_id   TEXT    NOT NULL,
  customer_id INTEGER NOT NULL REFERENCES customers (id),
  created_at  INTEGER NOT NULL,
  PRIMARY KEY (system, remote_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX links_customer ON links (customer_id, system);

-- Customers that were joined, with all that went from the one to the other, so that they can be taken apart.
CREATE TABLE merges (
  id          INTEGER PRIMARY KEY,
  from_id     INTEGER NOT NULL,                       -- the customer that is gone: its number leads to the other
  into_id     INTEGER NOT NULL,
  from_record TEXT    NOT NULL CHECK (json_valid(from_record)), -- their rows as they were
  into_record TEXT    NOT NULL CHECK (json_valid(into_record)),
  contact     TEXT    NOT NULL CHECK (json_valid(contact)),     -- of the one that is gone, null if it had none
  moved       TEXT    NOT NULL CHECK (json_valid(moved)),       -- {table: [key, …]}
  reason      TEXT    NOT NULL,
  merged_by   TEXT    NOT NULL,                       -- '': a purchase named the same user, which cannot be taken back
  created_at  INTEGER NOT NULL,
  unmerged_by TEXT    NOT NULL DEFAULT '',
  unmerged_at INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX merges_from ON merges (from_id) WHERE unmerged_at = 0;
CREATE INDEX merges_into ON merges (into_id);

-- Whose data is not taken in again: ids and e-mails of people who were erased, as HMAC-SHA256 under the key in meta.
CREATE TABLE erased (
  hash      BLOB    NOT NULL PRIMARY KEY,
  erased_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The mirror of Stripe: what the last reading said. Written by SyncCustomer only.
CREATE TABLE stripe_customers (
  id           TEXT    NOT NULL PRIMARY KEY,
  customer_id  INTEGER NOT NULL REFERENCES customers (id),
  name         TEXT    NOT NULL,
  email        TEXT    NOT NULL,
  deleted      INTEGER NOT NULL,
  source       TEXT    NOT NULL CHECK (source IN ('api', 'events')),
  as_of_at     INTEGER NOT NULL,
  confirmed_at INTEGER NOT NULL,                      -- of the last reading from the API
  created_at   INTEGER NOT NULL,
  whole_at     INTEGER NOT NULL DEFAULT 0,            -- of the last one that read payments and checkouts too; 0: the next must
  read_seq     INTEGER NOT NULL DEFAULT 0             -- events.seq up to which events were stored when the last reading began
) STRICT, WITHOUT ROWID;
CREATE INDEX stripe_customers_customer ON stripe_customers (customer_id);

CREATE TABLE subscriptions (
  id                    TEXT    NOT NULL PRIMARY KEY,
  stripe_customer       TEXT    NOT NULL,
  customer_id           INTEGER NOT NULL REFERENCES customers (id),
  status                TEXT    NOT NULL,
  price                 TEXT    NOT NULL,
  product               TEXT    NOT NULL,
  plan                  TEXT    NOT NULL,             -- name of the price or product, '' if unknown
  quantity              INTEGER NOT NULL,
  amount                INTEGER NOT NULL,             -- each interval
  currency              TEXT    NOT NULL,
  interval              TEXT    NOT NULL,
  interval_count        INTEGER NOT NULL,
  cancel_at_period_end  INTEGER NOT NULL,
  current_period_end_at INTEGER NOT NULL,
  cancel_at             INTEGER NOT NULL,
  canceled_at           INTEGER NOT NULL,
  ended_at              INTEGER NOT NULL,
  trial_end_at          INTEGER NOT NULL,
  pause_behavior        TEXT    NOT NULL,
  pause_resumes_at      INTEGER NOT NULL,
  created_at            INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX subscriptions_customer ON subscriptions (customer_id);
CREATE INDEX subscriptions_price ON subscriptions (price);

CREATE TABLE invoices (
  id              TEXT    NOT NULL PRIMARY KEY,
  stripe_customer TEXT    NOT NULL,
  customer_id     INTEGER NOT NULL REFERENCES customers (id),
  subscription    TEXT    NOT NULL,
  charge          TEXT    NOT NULL,
  payment_intent  TEXT    NOT NULL,
  number          TEXT    NOT NULL,
  status          TEXT    NOT NULL,
  billing_reason  TEXT    NOT NULL,
  amount_due      INTEGER NOT NULL,
  amount_paid     INTEGER NOT NULL,
  currency        TEXT    NOT NULL,
  attempts        INTEGER NOT NULL,
  failed          INTEGER NOT NULL,                   -- tried, failed and still open
  error           TEXT    NOT NULL,
  hosted_url      TEXT    NOT NULL,
  next_attempt_at INTEGER NOT NULL,
  paid_at         INTEGER NOT NULL,
  created_at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX invoices_customer ON invoices (customer_id, created_at);

CREATE TABLE charges (
  id              TEXT    NOT NULL PRIMARY KEY,
  stripe_customer TEXT    NOT NULL,
  customer_id     INTEGER NOT NULL REFERENCES customers (id),
  invoice         TEXT    NOT NULL,
  payment_intent  TEXT    NOT NULL,
  status          TEXT    NOT NULL,
  amount          INTEGER NOT NULL,
  amount_refunded INTEGER NOT NULL,
  currency        TEXT    NOT NULL,
  disputed        INTEGER NOT NULL,
  failure_code    TEXT    NOT NULL,
  failure_message TEXT    NOT NULL,
  receipt_url     TEXT    NOT NULL,
  created_at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX charges_customer ON charges (customer_id, created_at);

CREATE TABLE refunds (
  id              TEXT    NOT NULL PRIMARY KEY,
  stripe_customer TEXT    NOT NULL,
  customer_id     INTEGER NOT NULL REFERENCES customers (id),
  charge          TEXT    NOT NULL,
  payment_intent  TEXT    NOT NULL,
  status          TEXT    NOT NULL,
  amount          INTEGER NOT NULL,
  currency        TEXT    NOT NULL,
  reason          TEXT    NOT NULL,
  created_at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX refunds_customer ON refunds (customer_id);

CREATE TABLE disputes (
  id              TEXT    NOT NULL PRIMARY KEY,
  stripe_customer TEXT    NOT NULL,
  customer_id     INTEGER NOT NULL REFERENCES customers (id),
  charge          TEXT    NOT NULL,
  payment_intent  TEXT    NOT NULL,
  status          TEXT    NOT NULL,
  reason          TEXT    NOT NULL,
  amount          INTEGER NOT NULL,
  currency        TEXT    NOT NULL,
  evidence_due_at INTEGER NOT NULL,
  created_at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX disputes_customer ON disputes (customer_id);

CREATE TABLE checkouts (
  id              TEXT    NOT NULL PRIMARY KEY,
  stripe_customer TEXT    NOT NULL,
  customer_id     INTEGER NOT NULL REFERENCES customers (id),
  user_id         TEXT    NOT NULL,                   -- client_reference_id or metadata
  mode            TEXT    NOT NULL,
  status          TEXT    NOT NULL,
  payment_status  TEXT    NOT NULL,
  payment_failed  INTEGER NOT NULL,                   -- a delayed payment method failed
  subscription    TEXT    NOT NULL,
  amount          INTEGER NOT NULL,
  currency        TEXT    NOT NULL,
  completed_at    INTEGER NOT NULL,
  activated_at    INTEGER NOT NULL,                   -- first time its customer had access here
  created_at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX checkouts_customer ON checkouts (customer_id);
CREATE INDEX checkouts_completed ON checkouts (completed_at);
-- Purchases that took more than two minutes to give access, or never did.
CREATE INDEX checkouts_missed ON checkouts (completed_at)
  WHERE mode = 'subscription' AND status = 'complete' AND (activated_at = 0 OR activated_at - completed_at > 120000);

-- What happened to a customer, in words, newest last.
CREATE TABLE timeline (
  id          INTEGER PRIMARY KEY,
  customer_id INTEGER NOT NULL REFERENCES customers (id),
  text        TEXT    NOT NULL,
  created_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX timeline_customer ON timeline (customer_id, id);

-- The built-in CRM. With another CRM it is what stands there, as it was read or written last.
CREATE TABLE contacts (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,     -- never given twice: links name it
  customer_id  INTEGER NOT NULL UNIQUE REFERENCES customers (id),
  name         TEXT    NOT NULL,
  email        TEXT    NOT NULL,
  user_id      TEXT    NOT NULL DEFAULT '',           -- in the company's own product
  stripe_ids   TEXT    NOT NULL DEFAULT '',           -- cus_…, separated by commas
  lifecycle    TEXT    NOT NULL,
  plan         TEXT    NOT NULL,
  status       TEXT    NOT NULL,
  access       TEXT    NOT NULL DEFAULT '',
  mrr          TEXT    NOT NULL DEFAULT '',           -- a month, like 49 or 8.25; '' pays nothing regularly
  currency     TEXT    NOT NULL DEFAULT '',           -- of mrr, like USD
  last_paid_at INTEGER NOT NULL,
  next_invoice_at INTEGER NOT NULL DEFAULT 0,
  created_at   INTEGER NOT NULL,
  updated_at   INTEGER NOT NULL
) STRICT;

CREATE TABLE tasks (
  id           INTEGER PRIMARY KEY,
  customer_id  INTEGER NOT NULL REFERENCES customers (id),
  cause        TEXT    NOT NULL UNIQUE,               -- what it is about: one task each
  title        TEXT    NOT NULL,
  created_at   INTEGER NOT NULL,
  done_at      INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX tasks_customer ON tasks (customer_id);

CREATE TABLE notes (
  id           INTEGER PRIMARY KEY,
  customer_id  INTEGER NOT NULL REFERENCES customers (id),
  cause        TEXT    NOT NULL UNIQUE,
  text         TEXT    NOT NULL,
  created_at   INTEGER NOT NULL
) STRICT;
CREATE INDEX notes_customer ON notes (customer_id);

-- The built-in support desk. With another desk these are the tickets that are kept in step with it.
CREATE TABLE tickets (
  id          INTEGER PRIMARY KEY,
  customer_id INTEGER REFERENCES customers (id),      -- NULL: somebody Bursar does not know yet
  cause       TEXT    NOT NULL UNIQUE,                -- what it is about: one ticket each
  queue       TEXT    NOT NULL CHECK (queue IN ('billing', 'onboarding', 'product', 'general')),
  priority    TEXT    NOT NULL CHECK (priority IN ('normal', 'urgent')),
  status      TEXT    NOT NULL CHECK (status IN ('open', 'closed')),
  subject     TEXT    NOT NULL,
  created_at  INTEGER NOT NULL,
  updated_at  INTEGER NOT NULL,
  closed_at   INTEGER NOT NULL DEFAULT 0,
  assigned_to INTEGER REFERENCES users (id),          -- NULL: nobody
  moved_from  TEXT    NOT NULL DEFAULT ''             -- queue, priority and person before the last move, for its undo
) STRICT;
CREATE INDEX tickets_assigned ON tickets (assigned_to) WHERE assigned_to IS NOT NULL;
CREATE INDEX tickets_customer ON tickets (customer_id);
CREATE INDEX tickets_open ON tickets (queue, created_at) WHERE status = 'open';

CREATE TABLE messages (
  id         INTEGER PRIMARY KEY,
  ticket_id  INTEGER NOT NULL REFERENCES tickets (id),
  key        TEXT    NOT NULL,                        -- says the same thing once
  author     TEXT    NOT NULL,                        -- bursar, customer, or a user's e-mail
  body       TEXT    NOT NULL,
  created_at INTEGER NOT NULL,
  UNIQUE (ticket_id, key)
) STRICT;

-- Systems of other companies, like crm:hubspot, and what Bursar may do there.
CREATE TABLE connectors (
  system      TEXT    NOT NULL PRIMARY KEY,           -- what it is for, and whose it is
  mode        TEXT    NOT NULL CHECK (mode IN ('off', 'observe', 'live')),
  held_at     INTEGER NOT NULL DEFAULT 0,             -- too much failed: nothing is sent until a probe succeeds
  held_reason TEXT    NOT NULL DEFAULT '',
  cursor      TEXT    NOT NULL DEFAULT '',            -- how far its changes were read
  checked_at  INTEGER NOT NULL DEFAULT 0,             -- when it last said that all is well
  problem     TEXT    NOT NULL DEFAULT '',            -- what the check before found missing
  updated_at  INTEGER NOT NULL                        -- of the mode
) STRICT, WITHOUT ROWID;

-- What is ours over there: a row for each contact, task, note, ticket and message, made before the call that
-- creates it. The key is the same on every try, so that one thing is created once.
CREATE TABLE external_refs (
  system      TEXT    NOT NULL,                       -- of connectors
  kind        TEXT    NOT NULL CHECK (kind IN ('contact', 'task', 'note', 'ticket', 'message')),
  key         TEXT    NOT NULL,
  customer_id INTEGER NOT NULL,                       -- 0: nobody known. It may have been joined with another since
  remote_id   TEXT    NOT NULL DEFAULT '',
  state       TEXT    NOT NULL CHECK (state IN ('intended', 'linked', 'unknown', 'observed', 'skipped', 'asking')),
  hash        TEXT    NOT NULL DEFAULT '',            -- of what was written last
  problem     TEXT    NOT NULL DEFAULT '',            -- why it is not written, for people
  tried_at    INTEGER NOT NULL DEFAULT 0,             -- a create was sent then and what came of it is not known; 0: none
  linked_at   INTEGER NOT NULL DEFAULT 0,             -- when it was found or created last
  updated_at  INTEGER NOT NULL,
  PRIMARY KEY (system, kind, key)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX external_refs_remote ON external_refs (system, kind, remote_id) WHERE remote_id <> '';
CREATE INDEX external_refs_customer ON external_refs (customer_id);
CREATE INDEX external_refs_state ON external_refs (system, state) WHERE state <> 'linked';

-- What was written there, or would be: field by field, the old and the new.
CREATE TABLE external_writes (
  id          INTEGER PRIMARY KEY,
  system      TEXT    NOT NULL,
  kind        TEXT    NOT NULL,
  key         TEXT    NOT NULL,
  customer_id INTEGER NOT NULL,
  observed    INTEGER NOT NULL,                       -- 1: it was not written
  action      TEXT    NOT NULL CHECK (action IN ('create', 'update')),
  by_hand     INTEGER NOT NULL,                       -- 1: somebody had changed it there since Bursar wrote it
  changes     TEXT    NOT NULL CHECK (json_valid(changes)), -- [{field, old, new}]
  created_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX external_writes_system ON external_writes (system, observed, id);
CREATE INDEX external_writes_customer ON external_writes (customer_id);
CREATE INDEX external_writes_key ON external_writes (system, kind, key);

-- A ticket as it stands on another company's desk.
CREATE TABLE desk_tickets (
  ticket_id   INTEGER NOT NULL PRIMARY KEY REFERENCES tickets (id),
  system      TEXT    NOT NULL,
  remote_id   TEXT    NOT NULL,
  url         TEXT    NOT NULL,
  status      TEXT    NOT NULL,                       -- in the word of that desk
  assignee    TEXT    NOT NULL,                       -- '' nobody
  agreed      TEXT    NOT NULL CHECK (agreed IN ('open', 'closed')), -- what it was on both sides at last
  as_of_at    INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX desk_tickets_remote ON desk_tickets (system, remote_id);

-- What the reconciler found and did. A run is complete only if every system was read whole.
CREATE TABLE runs (
  id              INTEGER PRIMARY KEY,
  day             TEXT    NOT NULL DEFAULT '',        -- local date it was scheduled for, '' if asked for by hand
  state           TEXT    NOT NULL CHECK (state IN ('running', 'complete', 'incomplete', 'failed')),
  late            INTEGER NOT NULL DEFAULT 0,
  stripe_compared INTEGER NOT NULL DEFAULT 0,         -- 0: no API key
  customers       INTEGER NOT NULL DEFAULT 0,         -- how many of each were compared
  subscriptions   INTEGER NOT NULL DEFAULT 0,
  contacts        INTEGER NOT NULL DEFAULT 0,
  tickets         INTEGER NOT NULL DEFAULT 0,
  error           TEXT    NOT NULL DEFAULT '',
  note            TEXT    NOT NULL DEFAULT '',        -- what it left undone on purpose
  unread          TEXT    NOT NULL DEFAULT '',        -- which systems could not be read whole, separated by commas
  started_at      INTEGER NOT NULL,
  finished_at     INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX runs_day ON runs (day) WHERE day <> '';

CREATE TABLE findings (
  id            INTEGER PRIMARY KEY,
  run_id        INTEGER NOT NULL REFERENCES runs (id),  -- the last run that saw it
  kind          TEXT    NOT NULL,                       -- app/reconcile/kinds.go has the table of them
  subject       TEXT    NOT NULL,                       -- what it is about: an id in the system that differs
  customer_id   INTEGER REFERENCES customers (id),
  expected      TEXT    NOT NULL,
  actual        TEXT    NOT NULL,
  systems       TEXT    NOT NULL DEFAULT '' CHECK (systems = '' OR json_valid(systems)), -- what each of the four said, and as of when
  cause         TEXT    NOT NULL DEFAULT '',            -- why they differ, in a word
  evidence      TEXT    NOT NULL DEFAULT '',            -- and in a sentence
  evidence_at   INTEGER NOT NULL DEFAULT 0,             -- when what it tells of was
  evidence_job  INTEGER NOT NULL DEFAULT 0,             -- 0: no job has to do with it
  repair        TEXT    NOT NULL CHECK (repair IN ('job', 'person')), -- who mends it: a job, or somebody
  job_kind      TEXT    NOT NULL DEFAULT '',            -- of the job that mends it, or that a person may ask for
  job_key       TEXT    NOT NULL DEFAULT '',
  job_args      TEXT    NOT NULL DEFAULT '',
  before        TEXT    NOT NULL DEFAULT '',            -- the job that puts back what stood there; '' where none can
  state         TEXT    NOT NULL CHECK (state IN ('open', 'fixed', 'dismissed')),
  seen          INTEGER NOT NULL DEFAULT 1,             -- runs in a row
  first_at      INTEGER NOT NULL,
  last_at       INTEGER NOT NULL,
  fixed_at      INTEGER NOT NULL DEFAULT 0,
  fixed_by      TEXT    NOT NULL DEFAULT '',            -- bursar or an e-mail; '' if it went by itself
  dismissed_at  INTEGER NOT NULL DEFAULT 0,
  dismissed_by  TEXT    NOT NULL DEFAULT '',
  dismissed_why TEXT    NOT NULL DEFAULT '',
  link_hash     BLOB,                                   -- SHA-256 of the token of the link in the mail
  link_until_at INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX findings_open ON findings (kind, subject) WHERE state IN ('open', 'dismissed');
CREATE INDEX findings_run ON findings (run_id);
CREATE INDEX findings_fixed ON findings (kind, subject) WHERE state = 'fixed';
CREATE INDEX findings_customer ON findings (customer_id) WHERE state IN ('open', 'dismissed');
CREATE INDEX findings_link ON findings (link_hash) WHERE link_hash IS NOT NULL;

-- What a person had repaired: who, why, what stood there before and after.
CREATE TABLE repairs (
  id          INTEGER PRIMARY KEY,
  finding_id  INTEGER NOT NULL REFERENCES findings (id),
  asked_by    TEXT    NOT NULL,                         -- e-mail, or bursar on the command line
  reason      TEXT    NOT NULL,
  state       TEXT    NOT NULL CHECK (state IN ('asked', 'done', 'failed')),
  before      TEXT    NOT NULL,
  after       TEXT    NOT NULL DEFAULT '',
  error       TEXT    NOT NULL DEFAULT '',
  created_at  INTEGER NOT NULL,
  finished_at INTEGER NOT NULL DEFAULT 0
) STRICT;
-- A finding is repaired once at a time, however often it is asked for.
CREATE UNIQUE INDEX repairs_asked ON repairs (finding_id) WHERE state = 'asked';
CREATE INDEX repairs_finding ON repairs (finding_id);

-- The outbox: every mail as it is sent, readable with or without SMTP.
CREATE TABLE mails (
  id         INTEGER PRIMARY KEY,
  key        TEXT    NOT NULL UNIQUE,                 -- one mail for each thing said
  recipients TEXT    NOT NULL,                        -- comma-separated
  subject    TEXT    NOT NULL,
  text       TEXT    NOT NULL,
  html       TEXT    NOT NULL,
  data       TEXT    NOT NULL DEFAULT '',             -- JSON of what a report was written from
  secret     BLOB    NOT NULL DEFAULT x'',            -- sealed: what only the recipient may read; x'' once sent
  news       INTEGER NOT NULL DEFAULT 0,              -- old after a day: superseded then, and not sent
  state      TEXT    NOT NULL CHECK (state IN ('kept', 'waiting', 'sent', 'failed', 'superseded')), -- kept: there is no SMTP
  error      TEXT    NOT NULL DEFAULT '',
  created_at INTEGER NOT NULL,
  sent_at    INTEGER NOT NULL DEFAULT 0
) STRICT;

-- What is watched, and how it is. A row is written when something changes, not at every look.
CREATE TABLE alerts (
  key            TEXT    NOT NULL PRIMARY KEY,
  state          TEXT    NOT NULL CHECK (state IN ('ok', 'pending', 'firing', 'clearing', 'unknown')),
  version        INTEGER NOT NULL,                    -- counts the changes: who changes it names the one they saw
  since_at       INTEGER NOT NULL,                    -- of the state
  opened_at      INTEGER NOT NULL,                    -- when the trouble was first seen, 0: there is none
  told_at        INTEGER NOT NULL,                    -- when people were told that it opened, 0: not yet
  level          INTEGER NOT NULL,                    -- the worst they were told of: 1 low, 2 high, 3 critical
  size           INTEGER NOT NULL,                    -- the largest they were told of; one more is twice as many
  causes         TEXT    NOT NULL CHECK (json_valid(causes)), -- those they were told of
  reminders      INTEGER NOT NULL,                    -- how often they were reminded
  muted_until_at INTEGER NOT NULL,
  muted_by       TEXT    NOT NULL,
  flapping_at    INTEGER NOT NULL                     -- when they were last told that it comes and goes, 0: it does not
) STRICT, WITHOUT ROWID;

CREATE TABLE alert_flips (
  id         INTEGER PRIMARY KEY,
  key        TEXT    NOT NULL,
  was        TEXT    NOT NULL,
  state      TEXT    NOT NULL,
  value      TEXT    NOT NULL,                        -- what was measured, in words
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX alert_flips_key ON alert_flips (key, id);
CREATE INDEX alert_flips_created ON alert_flips (created_at);

-- What people are told. Each channel takes what it has not told yet, at its own pace.
CREATE TABLE alert_notices (
  id         INTEGER PRIMARY KEY,
  key        TEXT    NOT NULL,
  kind       TEXT    NOT NULL CHECK (kind IN ('opened', 'worse', 'still', 'resolved', 'flapping')),
  level      INTEGER NOT NULL,
  value      TEXT    NOT NULL,
  cause      TEXT    NOT NULL,
  since_at   INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  mailed_at  INTEGER NOT NULL DEFAULT 0,              -- put in the outbox
  slacked_at INTEGER NOT NULL DEFAULT 0               -- given to its job, or not meant for Slack
) STRICT;
CREATE INDEX alert_notices_held ON alert_notices (id) WHERE mailed_at = 0 OR slacked_at = 0;
CREATE INDEX alert_notices_mailed ON alert_notices (mailed_at);

-- Counted in memory and stored once a minute: what came to the webhook, what could not be stored, and how
-- long answers took. Kept for two days.
CREATE TABLE deliveries_minute (
  minute_at INTEGER NOT NULL,
  outcome   TEXT    NOT NULL,
  n         INTEGER NOT NULL,
  PRIMARY KEY (minute_at, outcome)
) STRICT, WITHOUT ROWID;

CREATE TABLE deliveries_failed (
  event_id TEXT    NOT NULL PRIMARY KEY,              -- of a signed event that we did not take
  type     TEXT    NOT NULL,
  times    INTEGER NOT NULL,
  first_at INTEGER NOT NULL,
  last_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE latency_minute (
  minute_at INTEGER NOT NULL,
  class     TEXT    NOT NULL,                         -- webhook, admin, action, slow, api
  le_ms     INTEGER NOT NULL,                         -- took no longer than this; -1: longer than every limit
  n         INTEGER NOT NULL,
  PRIMARY KEY (minute_at, class, le_ms)
) STRICT, WITHOUT ROWID;

-- The people who may sign in, and the programs that may ask.
CREATE TABLE users (
  id            INTEGER PRIMARY KEY,
  email         TEXT    NOT NULL UNIQUE COLLATE NOCASE,
  role          TEXT    NOT NULL CHECK (role IN ('owner', 'finance', 'support')),
  password_hash TEXT    NOT NULL DEFAULT '',          -- argon2id; '' until they chose one
  disabled_at   INTEGER NOT NULL DEFAULT 0,
  created_at    INTEGER NOT NULL
) STRICT;

CREATE TABLE sign_in_links (
  token_hash BLOB    NOT NULL PRIMARY KEY,            -- SHA-256; the token itself is shown once
  user_id    INTEGER REFERENCES users (id),           -- NULL: whoever has it becomes the first owner
  kind       TEXT    NOT NULL CHECK (kind IN ('invite', 'restart', 'reset')), -- restart: second factors end; reset: by mail
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  used_at    INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
  token_hash   BLOB    NOT NULL PRIMARY KEY,          -- SHA-256; a stolen file opens no session
  user_id      INTEGER NOT NULL REFERENCES users (id),
  address      TEXT    NOT NULL DEFAULT '',           -- where it began
  browser      TEXT    NOT NULL DEFAULT '',           -- what the browser calls itself
  created_at   INTEGER NOT NULL,
  seen_at      INTEGER NOT NULL,
  confirmed_at INTEGER NOT NULL                       -- when they last proved who they are
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_user ON sessions (user_id);

-- Second factors. Of a passkey only what is public is here; the private key never leaves its device.
CREATE TABLE passkeys (
  id            INTEGER PRIMARY KEY,
  user_id       INTEGER NOT NULL REFERENCES users (id),
  name          TEXT    NOT NULL,                     -- as the person calls it
  credential_id BLOB    NOT NULL UNIQUE,
  credential    TEXT    NOT NULL CHECK (json_valid(credential)), -- public key, flags, counter
  created_at    INTEGER NOT NULL,
  last_used_at  INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX passkeys_user ON passkeys (user_id);

CREATE TABLE totp (
  user_id    INTEGER PRIMARY KEY REFERENCES users (id),
  secret     BLOB    NOT NULL,                        -- AES-256-GCM; the key is not in this file
  last_step  INTEGER NOT NULL,                        -- of the last code that was used: none works twice
  created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE recovery_codes (
  code_hash  BLOB    NOT NULL PRIMARY KEY,            -- SHA-256 of 80 random bits, shown once
  user_id    INTEGER NOT NULL REFERENCES users (id),
  created_at INTEGER NOT NULL,
  used_at    INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX recovery_codes_user ON recovery_codes (user_id);

-- Who did what, also what was denied. A row says what is about to be done; what became of it, where that is
-- known later only, is a row of its own. Each row carries the hash of the one before, so that one that was
-- changed, taken out or put in between later is found (auth.VerifyAudit).
CREATE TABLE audit (
  id         INTEGER PRIMARY KEY,                     -- 1, 2, 3: without gaps
  created_at INTEGER NOT NULL,
  actor      TEXT    NOT NULL,                        -- e-mail, a program, or who used the command line
  role       TEXT    NOT NULL,
  address    TEXT    NOT NULL,                        -- where the request came from
  action     TEXT    NOT NULL,                        -- like jobs.retry
  target     TEXT    NOT NULL,
  outcome    TEXT    NOT NULL CHECK (outcome IN ('asked', 'done', 'denied', 'failed', 'unknown')),
  reason     TEXT    NOT NULL DEFAULT '',             -- as the person gave it
  before     TEXT    NOT NULL DEFAULT '',
  after      TEXT    NOT NULL DEFAULT '',
  detail     TEXT    NOT NULL DEFAULT '',
  prev_hash  BLOB    NOT NULL,                        -- of the row before, empty in the first
  hash       BLOB    NOT NULL                         -- SHA-256 of all of the above
) STRICT;
CREATE TRIGGER audit_insert BEFORE INSERT ON audit WHEN new.id <> (SELECT COALESCE(MAX(id), 0) + 1 FROM audit) BEGIN
  SELECT RAISE(ABORT, 'the audit only grows at its end');
END;
CREATE TRIGGER audit_update BEFORE UPDATE ON audit BEGIN
  SELECT RAISE(ABORT, 'the audit only grows: its rows are never changed');
END;
CREATE TRIGGER audit_delete BEFORE DELETE ON audit BEGIN
  SELECT RAISE(ABORT, 'the audit only grows: its rows are never deleted');
END;

-- What somebody asked to be done with money. The row is there before Stripe is asked, with the idempotency
-- key of that request; what came of it is written after. A row ends as done, failed or declined.
CREATE TABLE actions (
  id              INTEGER PRIMARY KEY,
  kind            TEXT    NOT NULL CHECK (kind IN ('refund', 'change_plan', 'cancel_now', 'cancel_at_end', 'keep', 'pause', 'resume', 'pay_invoice', 'send_invoice', 'send_receipt')),
  customer_id     INTEGER NOT NULL REFERENCES customers (id),
  stripe_customer TEXT    NOT NULL,
  target          TEXT    NOT NULL,                   -- ch_…, sub_… or in_…
  amount          INTEGER NOT NULL,                   -- what goes back, is tried to be collected, or what the change costs
  currency        TEXT    NOT NULL,
  params          TEXT    NOT NULL CHECK (json_valid(params)),
  says            TEXT    NOT NULL,                   -- in words, as it was shown to who asked
  reason          TEXT    NOT NULL,
  asked_by        INTEGER NOT NULL REFERENCES users (id),
  asked_role      TEXT    NOT NULL,
  asked_at        INTEGER NOT NULL,
  form_token      TEXT    NOT NULL UNIQUE,            -- the same form sent twice is one action
  key             TEXT    NOT NULL UNIQUE,            -- Idempotency-Key, and action_id in Stripe's metadata
  approval        TEXT    NOT NULL DEFAULT '',        -- why a second person is needed, '' if none is
  decided_by      INTEGER REFERENCES users (id),      -- who approved or declined
  decided_at      INTEGER NOT NULL DEFAULT 0,
  state           TEXT    NOT NULL CHECK (state IN ('proposed', 'approved', 'running', 'done', 'failed', 'unknown', 'declined')),
  sent_at         INTEGER NOT NULL DEFAULT 0,         -- when Stripe was asked first
  resent_at       INTEGER NOT NULL DEFAULT 0,         -- and last
  looked_at       INTEGER NOT NULL DEFAULT 0,         -- when Stripe was last searched for it
  stripe_object   TEXT    NOT NULL DEFAULT '',        -- re_…, or the target
  outcome         TEXT    NOT NULL DEFAULT '',        -- in words
  settled_at      INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX actions_customer ON actions (customer_id, id);
CREATE INDEX actions_target ON actions (target, id);
CREATE INDEX actions_asked ON actions (asked_by, asked_at);
CREATE INDEX actions_open ON actions (id) WHERE state IN ('proposed', 'approved', 'running', 'unknown');

CREATE TABLE api_keys (
  id           INTEGER PRIMARY KEY,
  name         TEXT    NOT NULL,
  prefix       TEXT    NOT NULL,                      -- the first characters, to recognise it by
  hash         BLOB    NOT NULL UNIQUE,               -- SHA-256 of the whole key
  scope        TEXT    NOT NULL CHECK (scope IN ('read', 'write')), -- write may read too
  created_at   INTEGER NOT NULL,
  expires_at   INTEGER NOT NULL DEFAULT 0,
  revoked_at   INTEGER NOT NULL DEFAULT 0,
  last_used_at INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX api_keys_name ON api_keys (name) WHERE revoked_at = 0;
