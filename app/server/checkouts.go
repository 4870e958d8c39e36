package server

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"time"

	"bursar/app/customer"
	"bursar/app/db"
)

// sessionID is the form of a Checkout session's id, which is up to 66 characters today.
var sessionID = regexp.MustCompile(`^cs_[A-Za-z0-9_]{1,250}$`)

// checkoutAnswer is for the page that a buyer comes back to.
type checkoutAnswer struct {
	Status     string     `json:"status"` // pending, active or failed
	Known      bool       `json:"known"`  // false: Stripe has not told of it yet
	CustomerID *int64     `json:"customer_id"`
	Access     string     `json:"access"`
	Reason     string     `json:"reason"`
	AsOf       *time.Time `json:"as_of"`
}

// checkout answers GET /api/v1/checkouts/{session_id}. A buyer is often back before the event is here, so
// an id that is not known yet is pending.
func (s *Server) checkout(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("session_id")
	if !sessionID.MatchString(id) {
		return &HTTPError{Code: http.StatusNotFound, Msg: "this is not the id of a Checkout session, like cs_live_…"}
	}
	session, err := s.DB.Read().CheckoutByID(r.Context(), id)
	if errors.Is(err, db.ErrNoRows) {
		return writeJSON(w, http.StatusOK, checkoutAnswer{Status: "pending", Access: customer.None, Reason: "Stripe has not told of this checkout yet"})
	}
	if err != nil {
		return fmt.Errorf("read checkout %s: %w", id, err)
	}
	facts, err := customer.Load(r.Context(), s.DB.Read(), session.CustomerID)
	if err != nil {
		return err
	}
	record := facts.RecordAt(time.Now())
	return writeJSON(w, http.StatusOK, checkoutAnswer{Status: checkoutStatus(session, record.Access), Known: true, CustomerID: &session.CustomerID,
		Access: record.Access, Reason: record.AccessReason, AsOf: timeOrNull(record.AsOfAt.Time)})
}

// checkoutStatus says what became of a checkout. One that is not about a subscription gives no access and
// is done when it is paid.
func checkoutStatus(c db.Checkout, access string) string {
	switch {
	case c.Status == "expired" || c.PaymentFailed:
		return "failed"
	case c.Mode == "subscription" && (access == customer.Full || access == customer.Grace),
		c.Mode != "subscription" && c.Status == "complete" && c.PaymentStatus != "unpaid":
		return "active"
	}
	return "pending"
}
