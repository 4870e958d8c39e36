package auth

import "slices"

// Permission is one kind of thing to do on the pages. A role is a set of them; a route names the one it needs.
type Permission string

// The permissions. What each of them opens is in the table below.
const (
	Look           Permission = "look"
	WorkTickets    Permission = "work-tickets"
	SyncCustomers  Permission = "sync-customers"
	SendInvoices   Permission = "send-invoices"
	SilenceAlerts  Permission = "silence-alerts"
	ReadPayments   Permission = "read-payments"
	ReadAudit      Permission = "read-audit"
	Refund         Permission = "refund"
	Subscribe      Permission = "subscribe"
	Approve        Permission = "approve"
	MergeCustomers Permission = "merge-customers"
	RetryJobs      Permission = "retry-jobs"
	ReplayEvents   Permission = "replay-events"
	Compare        Permission = "compare"
	Repair         Permission = "repair"
	Export         Permission = "export"
	ExportAll      Permission = "export-all"
	Erase          Permission = "erase"
	ManagePeople   Permission = "manage-people"
	ManageSettings Permission = "manage-settings"
)

// permissions are all of them, with the least role that has each: the roles are steps, and each may what the
// one below may.
var permissions = [...]struct {
	Permission
	least Role
	words string
}{
	{Look, Support, "See customers, tickets, contacts, events, jobs and reports"},
	{WorkTickets, Support, "Open, answer, assign, move and close tickets"},
	{SyncCustomers, Support, "Read a customer from Stripe again"},
	{SendInvoices, Support, "Mail a receipt or an invoice again"},
	{SilenceAlerts, Support, "Acknowledge alerts"},
	{ReadPayments, Finance, "Read what Stripe sent, payment methods, and mails in the outbox"},
	{ReadAudit, Finance, "Read who did what"},
	{Refund, Finance, "Give money back"},
	{Subscribe, Finance, "Change, cancel, pause and resume subscriptions, and collect open invoices"},
	{Approve, Finance, "Be the second person of somebody else's money action"},
	{MergeCustomers, Finance, "Join two customers, and take them apart again"},
	{RetryJobs, Finance, "Run or discard jobs that gave up"},
	{ReplayEvents, Finance, "Work on a stored event again"},
	{Compare, Finance, "Start a comparison of all systems"},
	{Repair, Finance, "Confirm or dismiss what a comparison proposes"},
	{Export, Finance, "Take one person's data out"},
	{ExportAll, Owner, "Take lists of customers and of the activity out"},
	{Erase, Owner, "Erase a person's data"},
	{ManagePeople, Owner, "Say who may sign in and in which role, and end API keys"},
	{ManageSettings, Owner, "See what is configured, switch connectors, test alerts"},
}

// Permissions are all of them, those of every role first.
func Permissions() []Permission {
	var all []Permission
	for _, p := range permissions {
		all = append(all, p.Permission)
	}
	return all
}

// Words say what a permission is for; "" for what is none.
func (p Permission) Words() string {
	for _, known := range permissions {
		if known.Permission == p {
			return known.words
		}
	}
	return ""
}

// May says whether a role has a permission. An unknown role, or none, may nothing, and what is no permission
// nobody may.
func (r Role) May(p Permission) bool {
	for _, known := range permissions {
		if known.Permission == p {
			// The most powerful role comes first.
			mine := slices.Index(Roles(), r)
			return mine >= 0 && mine <= slices.Index(Roles(), known.least)
		}
	}
	return false
}
