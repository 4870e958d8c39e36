package demo

import "net/http"

// route is one call of the API. Params are the parameters it knows; a bare name also
// allows what is nested in it.
type route struct {
	pattern, params string
	handle          func(*call) (object, error)
}

const paging = "limit starting_after ending_before "

func (s *Stripe) routes() []route {
	return []route{
		{"GET /v1/account", "", s.getAccount},

		{"POST /v1/customers", customerParams + " payment_method test_clock", s.createCustomer},
		{"GET /v1/customers", paging + "created email test_clock", s.listCustomers},
		{"GET /v1/customers/{id}", "", s.getCustomer},
		{"POST /v1/customers/{id}", customerParams, s.updateCustomer},
		{"DELETE /v1/customers/{id}", "", s.deleteCustomer},

		{"POST /v1/products", "name description active metadata", s.createProduct},
		{"GET /v1/products", paging + "active created ids", s.listProducts},
		{"GET /v1/products/{id}", "", s.getProduct},

		{"POST /v1/prices", "currency product unit_amount recurring lookup_key nickname metadata", s.createPrice},
		{"GET /v1/prices", paging + "active created currency product lookup_keys", s.listPrices},
		{"GET /v1/prices/{id}", "", s.getPrice},

		{"POST /v1/checkout/sessions", "mode line_items customer customer_email client_reference_id metadata subscription_data success_url cancel_url", s.createCheckout},
		{"GET /v1/checkout/sessions", paging + "customer subscription status", s.listCheckouts},
		{"GET /v1/checkout/sessions/{id}", "", s.getCheckout},
		{"GET /v1/checkout/sessions/{id}/line_items", paging, s.getCheckoutItems},
		{"POST /v1/checkout/sessions/{id}/expire", "", s.closeCheckout},

		{"POST /v1/subscriptions", "customer items trial_period_days metadata description default_payment_method payment_behavior", s.createSubscription},
		{"GET /v1/subscriptions", paging + "customer status price created test_clock", s.listSubscriptions},
		{"GET /v1/subscriptions/{id}", "", s.getSubscription},
		{"POST /v1/subscriptions/{id}", subscriptionParams, s.updateSubscription},
		{"DELETE /v1/subscriptions/{id}", "cancellation_details invoice_now prorate", s.cancelSubscription},
		{"POST /v1/subscriptions/{id}/resume", "billing_cycle_anchor proration_behavior", s.resumeSubscription},

		{"GET /v1/invoices", paging + "customer subscription status created collection_method", s.listInvoices},
		{"GET /v1/invoices/upcoming", upcomingParams, s.getUpcoming},
		{"GET /v1/invoices/{id}", "", s.getInvoice},
		{"GET /v1/invoices/{id}/lines", paging, s.getInvoiceLines},
		{"POST /v1/invoices/{id}/pay", "paid_out_of_band payment_method forgive off_session", s.payInvoice},
		{"POST /v1/invoices/{id}/void", "", s.voidInvoice},
		{"POST /v1/invoices/{id}/send", "", s.sendInvoice},
		{"POST /v1/invoices/{id}/mark_uncollectible", "", s.writeOffInvoice},

		{"GET /v1/payment_intents", paging + "customer created", s.listIntents},
		{"GET /v1/payment_intents/{id}", "", s.getIntent},
		{"GET /v1/charges", paging + "customer payment_intent created", s.listCharges},
		{"GET /v1/charges/{id}", "", s.getCharge},
		{"POST /v1/charges/{id}", "receipt_email metadata", s.updateCharge},

		{"POST /v1/refunds", "charge payment_intent amount reason metadata", s.createRefund},
		{"GET /v1/refunds", paging + "charge payment_intent created", s.listRefunds},
		{"GET /v1/refunds/{id}", "", s.getRefund},
		{"POST /v1/refunds/{id}", "metadata", s.updateRefund},

		{"GET /v1/disputes", paging + "charge payment_intent created", s.listDisputes},
		{"GET /v1/disputes/{id}", "", s.getDispute},

		{"GET /v1/events", paging + "type types created delivery_success", s.listEvents},
		{"GET /v1/events/{id}", "", s.getEvent},

		{"POST /v1/webhook_endpoints", "url enabled_events api_version description metadata", s.createEndpoint},
		{"GET /v1/webhook_endpoints", paging, s.listEndpoints},
		{"GET /v1/webhook_endpoints/{id}", "", s.getEndpoint},
		{"POST /v1/webhook_endpoints/{id}", "url enabled_events description metadata disabled", s.updateEndpoint},
		{"DELETE /v1/webhook_endpoints/{id}", "", s.deleteEndpoint},
	}
}

const (
	customerParams     = "email name phone description metadata balance invoice_settings"
	subscriptionParams = "cancel_at_period_end cancel_at items proration_behavior proration_date pause_collection metadata " +
		"description trial_end default_payment_method cancellation_details payment_behavior"
	upcomingParams = "customer subscription subscription_items subscription_proration_behavior subscription_proration_date " +
		"subscription_cancel_at_period_end"
)

// unknownRoute answers what this simulation, or Stripe, does not have.
func unknownRoute(c *call) (object, error) {
	return nil, &apiError{status: http.StatusNotFound, kind: "invalid_request_error",
		message: "Unrecognized request URL (" + c.Method + ": " + c.URL.Path + ")."}
}

// getAccount is the account itself; its id tells which company the key belongs to.
func (s *Stripe) getAccount(*call) (object, error) {
	return object{
		"id": s.account, "object": "account", "business_type": "company", "charges_enabled": true, "country": "US",
		"default_currency": "usd", "details_submitted": true, "email": "owner@example.com", "metadata": object{},
		"payouts_enabled": true, "type": "standard",
	}, nil
}
