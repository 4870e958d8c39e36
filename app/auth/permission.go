package auth

import "slices"

// Permission is one kind of thing to do on the pages. A role is a set of them; a route names the one it needs.
type Permission string

// The permissions, and what each of them opens.
const (
	Look           Permission = "look"            // customers, tickets, contacts, events, jobs, reports
	WorkTickets    Permission = "work-tickets"    // open, answer, move, assign, close
	SyncCustomers  Permission = "sync-customers"  // read Stripe again
	ReadPayments   Permission = "read-payments"   // payment methods, payloads of events, mails in the outbox
	ReadAudit      Permission = "read-audit"      // who did what
	SendInvoices   Permission = "send-invoices"   // mail a receipt or invoice again
	Refund         Permission = "refund"          // give money back
	Subscribe      Permission = "subscribe"       // change plan, cancel, pause and resume, collect an open invoice
	Approve        Permission = "approve"         // be the second person of somebody else's money action
	MergeCustomers Permission = "merge-customers" // join two records, and take them apart again
	RetryJobs      Permission = "retry-jobs"      // run or discard jobs that gave up
	ReplayEvents   Permission = "replay-events"   // work on a stored event again
	Compare        Permission = "compare"         // start a comparison
	Repair         Permission = "repair"          // confirm or dismiss what a comparison proposes
	SilenceAlerts  Permission = "silence-alerts"  // acknowledge
	Export         Permission = "export"          // one person's data out
	ExportAll      Permission = "export-all"      // lists out
	Erase          Permission = "erase"           // a person's data gone
	ManagePeople   Permission = "manage-people"   // who may sign in, in which role
	ManageSettings Permission = "manage-settings" // modes of connectors, alert tests, what is configured
)

// supportMay and what finance may besides it. Owners may do everything.
var (
	supportMay = []Permission{Look, WorkTickets, SyncCustomers, SendInvoices, SilenceAlerts}
	financeMay = []Permission{ReadPayments, ReadAudit, Refund, Subscribe, Approve, MergeCustomers, RetryJobs, ReplayEvents, Compare, Repair, Export}
	ownerMay   = []Permission{ExportAll, Erase, ManagePeople, ManageSettings}
)

// Permissions are all of them, those of every role first.
func Permissions() []Permission { return slices.Concat(supportMay, financeMay, ownerMay) }

// May says whether a role has a permission. An unknown role, or none, may nothing.
func (r Role) May(p Permission) bool {
	switch r {
	case Support:
		return slices.Contains(supportMay, p)
	case Finance:
		return slices.Contains(supportMay, p) || slices.Contains(financeMay, p)
	case Owner:
		return slices.Contains(Permissions(), p)
	}
	return false
}
