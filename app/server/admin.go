package server

import (
	"slices"

	"bursar/app/auth"
)

// adminRoutes are the pages. What somebody may not open is not in their menu either (navigation), but
// this table is what decides.
func (s *Server) adminRoutes() []Route {
	return slices.Concat([]Route{
		{"GET", "/{$}", Public, s.home},
		{"GET", "/assets/{name}", Public, s.serveAsset},

		{"GET", "/admin/sign-in", Public, s.signInPage},
		{"POST", "/admin/sign-in", Public, s.signIn},
		{"POST", "/admin/welcome", Public, s.welcome}, // whoever has a one-time link chooses a password
		{"POST", "/admin/sign-out", may(auth.Look), s.signOut},

		{"GET", "/admin", may(auth.Look), s.todayPage},
		{"GET", "/admin/live", may(auth.Look), s.live},

		{"GET", "/admin/customers", may(auth.Look), s.customersPage},
		{"GET", "/admin/customers/{id}", may(auth.Look), s.customerPage},
		{"POST", "/admin/customers/{id}/sync", may(auth.SyncCustomers), s.syncCustomer},

		{"GET", "/admin/tickets", may(auth.Look), s.ticketsPage},
		{"POST", "/admin/tickets", may(auth.WorkTickets), s.openTicket},
		{"GET", "/admin/tickets/{id}", may(auth.Look), s.ticketPage},
		{"POST", "/admin/tickets/{id}/notes", may(auth.WorkTickets), s.noteTicket},
		{"POST", "/admin/tickets/{id}/close", may(auth.WorkTickets), s.closeTicket},
		{"POST", "/admin/tickets/{id}/reopen", may(auth.WorkTickets), s.reopenTicket},

		{"GET", "/admin/contacts", may(auth.Look), s.contactsPage},

		{"GET", "/admin/events", may(auth.Look), s.eventsPage},
		{"GET", "/admin/events/{id}", may(auth.Look), s.eventPage},
		{"POST", "/admin/events/{id}/replay", may(auth.ReplayEvents), s.replayEvent},

		{"GET", "/admin/jobs", may(auth.Look), s.jobsPage},
		{"GET", "/admin/jobs/{id}", may(auth.Look), s.jobPage},
		{"POST", "/admin/jobs/selected/retry", may(auth.RetryJobs), s.retryJobs},
		{"GET", "/admin/jobs/selected/discard", may(auth.RetryJobs), s.confirmDiscard},
		{"POST", "/admin/jobs/selected/discard", may(auth.RetryJobs), s.discardJobs},

		{"GET", "/admin/reports", may(auth.Look), s.reportsPage},
		{"POST", "/admin/reports", may(auth.Compare), s.reconcileNow},
		{"GET", "/admin/reports/{id}", may(auth.Look), s.reportPage},

		{"GET", "/admin/outbox", may(auth.ReadPayments), s.outboxPage},
		{"GET", "/admin/outbox/{id}", may(auth.ReadPayments), s.mailPage},
		{"GET", "/admin/outbox/{id}/html", may(auth.ReadPayments), s.mailHTML},

		{"GET", "/admin/activity", may(auth.ReadAudit), s.activityPage},

		{"GET", "/admin/people", may(auth.ManagePeople), s.peoplePage},
		{"POST", "/admin/people", may(auth.ManagePeople), s.fresh(s.invite)},
		{"POST", "/admin/people/{id}/role", may(auth.ManagePeople), s.fresh(s.changeRole)},
		{"POST", "/admin/people/{id}/disable", may(auth.ManagePeople), s.disableUser},
		{"POST", "/admin/people/{id}/enable", may(auth.ManagePeople), s.fresh(s.enableUser)},
		{"GET", "/admin/people/{id}/factors", may(auth.ManagePeople), s.fresh(s.confirmDropFactors)},
		{"POST", "/admin/people/{id}/factors", may(auth.ManagePeople), s.fresh(s.dropFactors)},

		{"GET", "/admin/settings", may(auth.ManageSettings), s.settingsPage},
	},
		s.signInRoutes(),
		s.confirmRoutes(),
		s.accountRoutes(),
		s.privacyRoutes(),
		s.forgotRoutes(),
		s.actionRoutes(),
		s.programRoutes(),
		s.exportRoutes(),
		s.alertRoutes(),
		s.roleRoutes(),
		s.findingRoutes(),
		s.stripeRoutes(),
		s.mergeRoutes(),
		s.ticketMoveRoutes(),
		s.connectorRoutes(),
	)
}
