package stripe

import (
	"encoding/json"
	"time"
)

type wireInvoice struct {
	wireHead
	Number          string     `json:"number"`
	Customer        ref        `json:"customer"`
	CustomerAccount ref        `json:"customer_account"`
	CustomerName    string     `json:"customer_name"`
	CustomerEmail   string     `json:"customer_email"`
	Subscription    ref        `json:"subscription"` // until basil
	Parent          wireParent `json:"parent"`       // from basil on
	wirePayment                // until basil
	Payments        struct {
		Data []struct {
			Status  string      `json:"status"`
			Payment wirePayment `json:"payment"`
		} `json:"data"`
	} `json:"payments"` // from basil on, only where it was expanded
	Status             string `json:"status"`
	BillingReason      string `json:"billing_reason"`
	AmountDue          int64  `json:"amount_due"`
	AmountPaid         int64  `json:"amount_paid"`
	Currency           string `json:"currency"`
	AttemptCount       int64  `json:"attempt_count"`
	Attempted          bool   `json:"attempted"`
	NextPaymentAttempt stamp  `json:"next_payment_attempt"`
	HostedInvoiceURL   string `json:"hosted_invoice_url"`
	StatusTransitions  struct {
		PaidAt stamp `json:"paid_at"`
	} `json:"status_transitions"`
	Created stamp `json:"created"`
}

// contact is whom an invoice was made out to.
type contact struct{ name, email string }

// decodeInvoice also returns the name and e-mail the invoice was made out to.
func decodeInvoice(raw json.RawMessage) (Invoice, contact, error) {
	w, err := decode[wireInvoice](raw, "invoice")
	if err != nil {
		return Invoice{}, contact{}, err
	}
	return w.invoice(), contact{name: w.CustomerName, email: w.CustomerEmail}, nil
}

func (w *wireInvoice) invoice() Invoice {
	payment := w.payment()
	return Invoice{
		ID:            w.ID,
		Number:        w.Number,
		Customer:      first(string(w.Customer), string(w.CustomerAccount)),
		Subscription:  first(string(w.Subscription), string(w.Parent.Details.Subscription)),
		Charge:        string(payment.Charge),
		PaymentIntent: string(payment.PaymentIntent),
		Status:        w.Status,
		BillingReason: w.BillingReason,
		AmountDue:     w.AmountDue,
		AmountPaid:    w.AmountPaid,
		Currency:      w.Currency,
		Attempts:      w.AttemptCount,
		Failed:        w.Status == "open" && w.Attempted && w.AttemptCount > 0,
		NextAttemptAt: time.Time(w.NextPaymentAttempt),
		HostedURL:     w.HostedInvoiceURL,
		PaidAt:        time.Time(w.StatusTransitions.PaidAt),
		CreatedAt:     time.Time(w.Created),
	}
}

// payment is what paid the invoice, or else the first attempt to.
func (w *wireInvoice) payment() wirePayment {
	if w.Charge != "" || w.PaymentIntent != "" || len(w.Payments.Data) == 0 {
		return w.wirePayment
	}
	for _, p := range w.Payments.Data {
		if p.Status == "paid" {
			return p.Payment
		}
	}
	return w.Payments.Data[0].Payment
}

// invoicePayment links an invoice to what pays it, from basil on:
// https://docs.stripe.com/api/invoice-payment/object.
type invoicePayment struct {
	wireHead
	Invoice ref         `json:"invoice"`
	Status  string      `json:"status"` // open, paid, canceled
	Payment wirePayment `json:"payment"`
	Created stamp       `json:"created"`
}

func decodeInvoicePayment(raw json.RawMessage) (invoicePayment, error) {
	return decode[invoicePayment](raw, "invoice_payment")
}

type wireCharge struct {
	wireHead
	Customer        ref    `json:"customer"`
	CustomerAccount ref    `json:"customer_account"`
	Invoice         ref    `json:"invoice"` // until basil
	PaymentIntent   ref    `json:"payment_intent"`
	Status          string `json:"status"`
	Amount          int64  `json:"amount"`
	AmountRefunded  int64  `json:"amount_refunded"`
	Currency        string `json:"currency"`
	Disputed        bool   `json:"disputed"`
	FailureCode     string `json:"failure_code"`
	FailureMessage  string `json:"failure_message"`
	ReceiptURL      string `json:"receipt_url"`
	Created         stamp  `json:"created"`
	Refunds         struct {
		Data    []wireRefund `json:"data"`
		HasMore bool         `json:"has_more"`
	} `json:"refunds"` // only where it was expanded
}

// decodeCharge also returns the refunds that came with the charge, and whether there are more.
func decodeCharge(raw json.RawMessage) (Charge, []Refund, bool, error) {
	w, err := decode[wireCharge](raw, "charge")
	if err != nil {
		return Charge{}, nil, false, err
	}
	refunds, err := w.refunds()
	return w.charge(), refunds, w.Refunds.HasMore, err
}

func (w *wireCharge) charge() Charge {
	return Charge{
		ID:             w.ID,
		Customer:       first(string(w.Customer), string(w.CustomerAccount)),
		Invoice:        string(w.Invoice),
		PaymentIntent:  string(w.PaymentIntent),
		Status:         w.Status,
		Amount:         w.Amount,
		AmountRefunded: w.AmountRefunded,
		Currency:       w.Currency,
		Disputed:       w.Disputed,
		FailureCode:    w.FailureCode,
		FailureMessage: w.FailureMessage,
		ReceiptURL:     w.ReceiptURL,
		CreatedAt:      time.Time(w.Created),
	}
}

func (w *wireCharge) refunds() ([]Refund, error) {
	var refunds []Refund
	for i := range w.Refunds.Data {
		if err := is(w.Refunds.Data[i].wireHead, "refund"); err != nil {
			return nil, err
		}
		refunds = append(refunds, w.Refunds.Data[i].refund())
	}
	return refunds, nil
}

type wireRefund struct {
	wireHead
	wirePayment
	Status   string            `json:"status"`
	Amount   int64             `json:"amount"`
	Currency string            `json:"currency"`
	Reason   string            `json:"reason"`
	Metadata map[string]string `json:"metadata"`
	Created  stamp             `json:"created"`
}

func decodeRefund(raw json.RawMessage) (Refund, error) {
	return as(raw, "refund", (*wireRefund).refund)
}

func (w *wireRefund) refund() Refund {
	return Refund{
		ID:            w.ID,
		Charge:        string(w.Charge),
		PaymentIntent: string(w.PaymentIntent),
		Status:        w.Status,
		Amount:        w.Amount,
		Currency:      w.Currency,
		Reason:        w.Reason,
		Metadata:      metadata(w.Metadata),
		CreatedAt:     time.Time(w.Created),
	}
}

type wireDispute struct {
	wireHead
	wirePayment
	Status   string `json:"status"`
	Reason   string `json:"reason"`
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
	Evidence struct {
		DueBy stamp `json:"due_by"`
	} `json:"evidence_details"`
	Created stamp `json:"created"`
}

func decodeDispute(raw json.RawMessage) (Dispute, error) {
	return as(raw, "dispute", (*wireDispute).dispute)
}

func (w *wireDispute) dispute() Dispute {
	return Dispute{
		ID:            w.ID,
		Charge:        string(w.Charge),
		PaymentIntent: string(w.PaymentIntent),
		Status:        w.Status,
		Reason:        w.Reason,
		Amount:        w.Amount,
		Currency:      w.Currency,
		EvidenceDueAt: time.Time(w.Evidence.DueBy),
		CreatedAt:     time.Time(w.Created),
	}
}
