package server

// adminRoutes are the pages. What somebody may not open is not in their menu either (navigation), but
// this table is what decides.
func (s *Server) adminRoutes() []Route {
	return []Route{
		{"GET", "/{$}", Public, s.home},
		{"GET", "/assets/{name}", Public, s.serveAsset},

		{"GET", "/admin/sign-in", Public, s.signInPage},
		{"POST", "/admin/sign-in", Public, s.signIn},
		{"POST", "/admin/welcome", Public, s.welcome}, // whoever has a one-time link chooses a password
		{"POST", "/admin/sign-out", SignedIn, s.signOut},

		{"GET", "/admin", SignedIn, s.todayPage},
		{"GET", "/admin/live", SignedIn, s.live},

		{"GET", "/admin/customers", SignedIn, s.customersPage},
		{"GET", "/admin/customers/{id}", SignedIn, s.customerPage},
		{"POST", "/admin/customers/{id}/sync", SignedIn, s.syncCustomer},

		{"GET", "/admin/tickets", SignedIn, s.ticketsPage},
		{"POST", "/admin/tickets", SignedIn, s.openTicket},
		{"GET", "/admin/tickets/{id}", SignedIn, s.ticketPage},
		{"POST", "/admin/tickets/{id}/notes", SignedIn, s.noteTicket},
		{"POST", "/admin/tickets/{id}/close", SignedIn, s.closeTicket},
		{"POST", "/admin/tickets/{id}/reopen", SignedIn, s.reopenTicket},

		{"GET", "/admin/contacts", SignedIn, s.contactsPage},

		{"GET", "/admin/events", SignedIn, s.eventsPage},
		{"GET", "/admin/events/{id}", SignedIn, s.eventPage},
		{"POST", "/admin/events/{id}/replay", FinanceRole, s.replayEvent},

		{"GET", "/admin/jobs", SignedIn, s.jobsPage},
		{"GET", "/admin/jobs/{id}", SignedIn, s.jobPage},
		{"POST", "/admin/jobs/selected/retry", FinanceRole, s.retryJobs},
		{"GET", "/admin/jobs/selected/discard", FinanceRole, s.confirmDiscard},
		{"POST", "/admin/jobs/selected/discard", FinanceRole, s.discardJobs},

		{"GET", "/admin/reports", SignedIn, s.reportsPage},
		{"POST", "/admin/reports", FinanceRole, s.reconcileNow},
		{"GET", "/admin/reports/{id}", SignedIn, s.reportPage},

		{"GET", "/admin/outbox", FinanceRole, s.outboxPage},
		{"GET", "/admin/outbox/{id}", FinanceRole, s.mailPage},
		{"GET", "/admin/outbox/{id}/html", FinanceRole, s.mailHTML},

		{"GET", "/admin/activity", FinanceRole, s.activityPage},

		{"GET", "/admin/people", OwnerRole, s.peoplePage},
		{"POST", "/admin/people", OwnerRole, s.invite},
		{"POST", "/admin/people/{id}/role", OwnerRole, s.changeRole},
		{"POST", "/admin/people/{id}/disable", OwnerRole, s.disableUser},
		{"POST", "/admin/people/{id}/enable", OwnerRole, s.enableUser},

		{"GET", "/admin/settings", OwnerRole, s.settingsPage},
	}
}
