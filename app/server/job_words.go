package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"

	"bursar/app/alert"
	"bursar/app/auth"
	"bursar/app/billing"
	"bursar/app/connect"
	"bursar/app/crm"
	"bursar/app/db"
	"bursar/app/mail"
	"bursar/app/money"
	"bursar/app/privacy"
	"bursar/app/queue"
	"bursar/app/reconcile"
	"bursar/app/support"
)

// jobKind is what people read of a kind of job.
type jobKind struct {
	Name    string
	Does    string // what it does
	Missing string // what is missing if it never runs
	Healed  bool   // the nightly comparison finds what is missing
}

var jobKinds = [...]jobKind{
	{billing.SyncCustomer{}.Kind(), "Read a customer from Stripe", "What Stripe says of this customer is not taken over.", true},
	{billing.FoldCustomer{}.Kind(), "Take over what the events say", "News of this customer wait until Stripe answers.", true},
	{billing.LookAgain{}.Kind(), "Look again at its time", "What changes by time alone, like the end of a grace period, waits for the next event or comparison.", true},
	{billing.FindCustomer{}.Kind(), "Find whose event it is", "The customer of this event is not looked for.", true},
	{money.RunAction{}.Kind(), "Do a money action", "Stripe is not asked for what somebody wanted. The page of the action says what is known of it.", false},
	{billing.Sweep{}.Kind(), "Look for events that no webhook brought", "Until the next one, what no webhook brought is not known.", true},
	{billing.WatchEndpoint{}.Kind(), "Look at the webhook endpoint", "Whether Stripe's endpoint is right is not known.", false},
	{billing.Backfill{}.Kind(), "Read everything from Stripe", "What was there before Bursar is taken over in part only.", true},
	{crm.SyncContact{}.Kind(), "Update the contact", "The contact is not updated.", true},
	{crm.SyncTask{}.Kind(), "Open or finish a task", "The task is not opened or finished.", false},
	{crm.WriteNote{}.Kind(), "Write a note on the contact", "The note is not written.", false},
	{support.SyncTicket{}.Kind(), "Open or close a ticket", "The ticket is not opened or closed.", true},
	{support.NoteTicket{}.Kind(), "Add to a ticket", "What happened is not said in the ticket.", false},
	{connect.PushTicket{}.Kind(), "Write a ticket to the desk", "The ticket stays as it is on the desk.", true},
	{connect.FollowTicket{}.Kind(), "Read a ticket from the desk", "What changed there is read within a minute anyway.", true},
	{connect.Follow{}.Kind(), "Look after the connectors", "The next minute does it.", true},
	{connect.CatchUp{}.Kind(), "Write what was observed", "What was only observed is not written.", false},
	{mail.SendArgs{}.Kind(), "Send a mail", "The mail is not sent. It can be read in the outbox.", false},
	{reconcile.Reconcile{}.Kind(), "Compare all systems", "This comparison is not made.", false},
	{reconcile.SendReport{}.Kind(), "Write the report", "This report is not written.", false},
	{auth.CheckAudit{}.Kind(), "Check the audit", "Nobody notices before the next night if the audit was changed.", false},
	{alert.SendSlack{}.Kind(), "Tell an alert in Slack", "The alert is not told in Slack. The mail and the page tell it too.", false},
	{privacy.Retain{}.Kind(), "Throw away what has become old", "Old payloads, mails and findings stay until the next night.", false},
	{queue.Prune{}.Kind(), "Clear away old finished jobs", "Old finished jobs stay until the next night.", false},
}

// kindOf is the entry of a kind. A job of another version of Bursar has its bare name.
func kindOf(kind string) jobKind {
	for _, k := range jobKinds {
		if k.Name == kind {
			return k
		}
	}
	return jobKind{Name: kind, Does: kind, Missing: "This work is not done."}
}

// jobState is a state in the words of the pages.
type jobState struct{ State, Words string }

var jobStates = [...]jobState{
	{queue.Discarded, "gave up"},
	{queue.Retryable, "trying again"},
	{queue.Available, "waiting"},
	{queue.Running, "at work"},
	{queue.Completed, "done"},
	{queue.Cancelled, "set aside"},
}

func stateWords(state string) string {
	for _, s := range jobStates {
		if s.State == state {
			return s.Words
		}
	}
	return state
}

// jobAbout is what a job is about: a customer, a ticket, a report, a mail. Its args are what this or an
// earlier version wrote; what cannot be read of them is told by the key.
func jobAbout(ctx context.Context, q *db.Queries, j db.Job) (link, error) {
	switch j.Kind {
	case billing.SyncCustomer{}.Kind(), billing.FoldCustomer{}.Kind(), billing.LookAgain{}.Kind():
		return stripeLink(ctx, q, j.Key)
	case billing.FindCustomer{}.Kind():
		return link{mail.Line(j.Key, maxName), "/admin/events/" + url.PathEscape(j.Key)}, nil
	case money.RunAction{}.Kind():
		return link{"Action " + j.Key, "/admin/actions/" + j.Key}, nil
	case reconcile.SendReport{}.Kind():
		return link{"Report " + j.Key, "/admin/reports/" + j.Key}, nil
	case mail.SendArgs{}.Kind():
		return link{"Mail " + j.Key, "/admin/outbox/" + j.Key}, nil
	case reconcile.Reconcile{}.Kind(), queue.Prune{}.Kind(), auth.CheckAudit{}.Kind(),
		billing.Sweep{}.Kind(), billing.WatchEndpoint{}.Kind(), billing.Backfill{}.Kind():
		return link{}, nil
	case support.SyncTicket{}.Kind():
		t, err := q.TicketByCause(ctx, j.Key)
		if err == nil {
			return link{support.Reference(t.ID) + " " + mail.Line(t.Subject, maxName), fmt.Sprintf("/admin/tickets/%d", t.ID)}, nil
		}
		if !errors.Is(err, db.ErrNoRows) {
			return link{}, fmt.Errorf("read the ticket of %s: %w", j.Key, err)
		}
	}
	if id := customerOfJob(j); id != 0 {
		return customerLink(ctx, q, id)
	}
	return link{Text: mail.Line(j.Key, maxName)}, nil
}

// customerOfJob is whose contact, task, note or ticket a job is about, 0 if nobody's.
func customerOfJob(j db.Job) int64 {
	if j.Kind == (crm.SyncContact{}).Kind() {
		id, _ := strconv.ParseInt(j.Key, 10, 64) // 0 where the key is none
		return id
	}
	var args struct {
		Ticket support.Ticket
		Task   crm.Task
		Note   json.RawMessage // a text in SyncTicket
	}
	if json.Unmarshal([]byte(j.Args), &args) != nil {
		return 0
	}
	var note crm.Note
	json.Unmarshal(args.Note, &note) // the customer stays 0
	return max(args.Ticket.CustomerID, args.Task.CustomerID, note.CustomerID)
}
