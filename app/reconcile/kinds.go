package reconcile

// Kind is a way in which systems can differ.
type Kind struct {
	Name   string // as it is stored
	Title  string // what differs, in a few words
	High   bool   // money or access is, or may soon be, wrong
	Person bool   // a person must ask for the repair; else a job mends it
	Does   string // what the repair does, or what a person can do
	source source // who must have been read whole for the difference to be gone when it is not seen
}

// source is where a difference is looked for.
type source int

const (
	here     source = iota // in this file, and in the CRM or the desk
	inStripe               // in everything Stripe has
	recent                 // in what is new in Stripe: what was found stays until it is repaired or dismissed
)

// Names of the kinds.
const (
	customerMissing     = "customer_missing"
	customerDiffers     = "customer_differs"
	customerDeleted     = "customer_deleted"
	linkToNothing       = "link_to_nothing"
	subscriptionMissing = "subscription_missing"
	subscriptionDiffers = "subscription_differs"
	subscriptionEnded   = "subscription_ended"
	planDiffers         = "plan_differs"
	quantityDiffers     = "quantity_differs"
	amountDiffers       = "amount_differs"
	accessWouldEnd      = "access_would_end"
	notInStripe         = "not_in_stripe"
	paidNotActive       = "paid_not_active"
	activeNotPaid       = "active_not_paid"
	recordStale         = "record_stale"
	invoiceMissing      = "invoice_missing"
	invoiceDiffers      = "invoice_differs"
	refundMissing       = "refund_missing"
	refundDiffers       = "refund_differs"
	disputeMissing      = "dispute_missing"
	disputeDiffers      = "dispute_differs"
	checkoutMissing     = "checkout_missing"
	checkoutOfNobody    = "checkout_of_nobody"
	paymentOfNobody     = "payment_of_nobody"
	refundKeptAccess    = "refund_kept_access"
	twoSubscriptions    = "two_subscriptions"
	contactMissing      = "contact_missing"
	contactDiffers      = "contact_differs"
	contactOfNobody     = "contact_of_nobody"
	contactDoubled      = "contact_doubled"
	contactUnwanted     = "contact_unwanted"
	ticketMissing       = "ticket_missing"
	ticketLeftOpen      = "ticket_left_open"
	ticketOfNobody      = "ticket_of_nobody"
	duplicateCustomers  = "duplicate_customers"
	unknownPrice        = "unknown_price"
	twoPeople           = "two_people"
	eventsOfNobody      = "events_of_nobody"
	eventsIgnored       = "events_ignored"
)

const readsAgain = "Bursar reads this customer from Stripe again and writes what it says."

// kinds is every way in which systems can differ. What takes nothing away, is not about money and is certain
// is mended by a job; the rest waits for a person.
var kinds = [...]Kind{
	{customerMissing, "a Stripe customer is not known here", true, false, readsAgain, inStripe},
	{customerDiffers, "the name or e-mail differs from Stripe", false, false, readsAgain, inStripe},
	{customerDeleted, "a customer was deleted in Stripe", true, true, "Bursar marks the customer as deleted. What access there is ends.", inStripe},
	{linkToNothing, "a link leads to a Stripe customer that does not exist", true, true, "Bursar lets go of the link. Access that came from it ends.", inStripe},
	{subscriptionMissing, "a Stripe subscription is not known here", true, false, readsAgain, inStripe},
	{subscriptionDiffers, "a subscription differs from Stripe", false, false, readsAgain, inStripe},
	{subscriptionEnded, "a subscription is over in Stripe; access stays by another, or was over", false, false, readsAgain, inStripe},
	{planDiffers, "the plan differs from Stripe", true, false, readsAgain, inStripe},
	{quantityDiffers, "the quantity of a subscription differs from Stripe", false, false, readsAgain, inStripe},
	{amountDiffers, "the amount of a subscription differs from Stripe", true, false, readsAgain, inStripe},
	{accessWouldEnd, "Stripe says the subscription is over, and there is access here", true, true, "Bursar takes over what Stripe says. Access ends unless something else gives it.", inStripe},
	{notInStripe, "Stripe does not have this subscription", true, true, "Bursar forgets the subscription. Access that came from it ends.", inStripe},
	{paidNotActive, "paid in Stripe, and without access here", true, false, readsAgain, inStripe},
	{activeNotPaid, "there is access here that nothing pays for", true, true, "Bursar writes the record again. Access ends.", here},
	{recordStale, "the record is behind what is stored", false, false, readsAgain, here},
	{invoiceMissing, "an invoice in Stripe is not known here", true, false, readsAgain, recent},
	{invoiceDiffers, "an invoice differs from Stripe", true, false, readsAgain, recent},
	{refundMissing, "a refund in Stripe is not known here", true, false, readsAgain, recent},
	{refundDiffers, "a refund differs from Stripe", true, false, readsAgain, recent},
	{disputeMissing, "a dispute in Stripe is not known here", true, false, readsAgain, recent},
	{disputeDiffers, "a dispute differs from Stripe", true, false, readsAgain, recent},
	{checkoutMissing, "a completed checkout is not known here", true, false, readsAgain, recent},
	{checkoutOfNobody, "a completed checkout has no customer in Stripe", true, true, "Find out who bought, and give the payment a customer in Stripe.", recent},
	{paymentOfNobody, "a payment in Stripe belongs to no customer", true, true, "Find out who paid, and give the payment a customer in Stripe, or refund it.", recent},
	{refundKeptAccess, "the last payment was refunded, and access goes on", true, true, "Cancel the subscription in Stripe, or dismiss this if the customer may stay.", here},
	{twoSubscriptions, "two subscriptions are paid at once", true, true, "Cancel the one that is not wanted, and refund it; or dismiss this if both are.", here},
	{contactMissing, "the contact is missing in the CRM", true, false, "Bursar writes the contact again.", here},
	{contactDiffers, "the contact in the CRM differs", false, false, "Bursar writes its own fields of the contact again and leaves the others alone.", here},
	{contactOfNobody, "a contact in the CRM belongs to nobody known here", false, true, "Remove the contact in the CRM, or dismiss this.", here},
	{contactDoubled, "a customer has two contacts in the CRM", false, true, "Merge the two in the CRM.", here},
	{contactUnwanted, "a contact in the CRM is of somebody who bought nothing", false, true, "Remove the contact in the CRM, or dismiss this.", here},
	{ticketMissing, "a ticket is missing", true, false, "Bursar opens the ticket.", here},
	{ticketLeftOpen, "a ticket is open although its cause is gone", false, false, "Bursar closes the ticket with a note.", here},
	{ticketOfNobody, "an open ticket of Bursar's belongs to nobody known here", false, true, "Bursar closes the ticket with a note.", here},
	{duplicateCustomers, "two customers look like the same person", false, true, "Compare the two, and join them if they are one; or dismiss this.", here},
	{unknownPrice, "a price has no plan name (set BURSAR_PLANS)", false, true, "Name the price in BURSAR_PLANS, or its product in Stripe.", here},
	{twoPeople, "a purchase names the user of another customer", true, true, "Find out which of the two bought.", here},
	{eventsOfNobody, "payments belong to nobody known", false, true, "Look at the events: they name no customer that Stripe knows.", here},
	{eventsIgnored, "events were ignored", false, true, "Look at the events: they are of another account or mode.", here},
}

// Kinds are all of them.
func Kinds() []Kind { return kinds[:] }

// KindOf is the kind of a name; its zero value, with the name alone, for one of another version of Bursar.
func KindOf(name string) Kind {
	for _, k := range kinds {
		if k.Name == name {
			return k
		}
	}
	return Kind{Name: name, Person: true}
}

// Label says in words what a kind of finding is, "" for one of another version of Bursar.
func Label(kind string) string { return KindOf(kind).Title }

// namesOf are the names of the kinds from a source.
func namesOf(from ...source) []string {
	names := []string{}
	for _, k := range kinds {
		for _, s := range from {
			if k.source == s {
				names = append(names, k.Name)
			}
		}
	}
	return names
}
