package crm

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// The fields of a contact, as they are called in BURSAR_CRM_FIELDS and on pages.
const (
	FieldName          = "name"
	FieldEmail         = "email"
	FieldUserID        = "user_id"
	FieldStripeIDs     = "stripe_ids"
	FieldLifecycle     = "lifecycle"
	FieldPlan          = "plan"
	FieldStatus        = "status"
	FieldAccess        = "access"
	FieldMRR           = "mrr"
	FieldCurrency      = "currency"
	FieldLastPaidAt    = "last_paid_at"
	FieldNextInvoiceAt = "next_invoice_at"
	FieldURL           = "url" // of the customer's page in Bursar; only other CRMs have it
)

// ContactFields are all of them, in the order people see them.
func ContactFields() []string {
	return []string{FieldName, FieldEmail, FieldUserID, FieldStripeIDs, FieldLifecycle, FieldPlan, FieldStatus, FieldAccess, FieldMRR,
		FieldCurrency, FieldLastPaidAt, FieldNextInvoiceAt, FieldURL}
}

// Label is what people call a field.
func Label(field string) string {
	switch field {
	case FieldEmail:
		return "e-mail"
	case FieldMRR:
		return "MRR"
	case FieldURL:
		return "link"
	}
	return strings.TrimSuffix(strings.ReplaceAll(field, "_", " "), " at")
}

// Fields are the values of a record by name. Times are RFC 3339 in UTC and whole seconds, "" for none.
type Fields map[string]string

// Fields of the contact, without its URL.
func (c Contact) Fields() Fields {
	return Fields{FieldName: c.Name, FieldEmail: c.Email, FieldUserID: c.UserID, FieldStripeIDs: c.StripeIDs, FieldLifecycle: c.Lifecycle,
		FieldPlan: c.Plan, FieldStatus: c.Status, FieldAccess: c.Access, FieldMRR: c.MRR, FieldCurrency: c.Currency,
		FieldLastPaidAt: Stamp(c.LastPaidAt), FieldNextInvoiceAt: Stamp(c.NextInvoiceAt)}
}

// ContactOf is the contact that has these fields.
func ContactOf(customerID int64, f Fields) Contact {
	return Contact{CustomerID: customerID, Name: f[FieldName], Email: f[FieldEmail], UserID: f[FieldUserID], StripeIDs: f[FieldStripeIDs],
		Lifecycle: f[FieldLifecycle], Plan: f[FieldPlan], Status: f[FieldStatus], Access: f[FieldAccess], MRR: f[FieldMRR], Currency: f[FieldCurrency],
		LastPaidAt: parseStamp(f[FieldLastPaidAt]), NextInvoiceAt: parseStamp(f[FieldNextInvoiceAt])}
}

// Stamp is a time as a field has it.
func Stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// parseStamp takes what is no time for none: somebody wrote it by hand, and Bursar will write it again.
func parseStamp(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// Change is one field that differs.
type Change struct {
	Field string `json:"field"`
	Old   string `json:"old"`
	New   string `json:"new"`
}

// Policy says what becomes of a field that somebody else may write too.
type Policy string

// The policies.
const (
	Overwrite Policy = "overwrite"
	Fill      Policy = "fill" // only where it is empty
	Never     Policy = "never"
)

// Policies are the policies of fields. A field without one is overwritten.
type Policies map[string]Policy

// ParsePolicies reads a list like "name=fill,email=never". Where it says nothing of them, name and e-mail are
// filled where they are empty: people know those better.
func ParsePolicies(list string) (Policies, error) {
	p := Policies{FieldName: Fill, FieldEmail: Fill}
	for entry := range strings.SplitSeq(list, ",") {
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue
		}
		field, policy, _ := strings.Cut(entry, "=")
		field, policy = strings.TrimSpace(field), strings.TrimSpace(policy)
		if !slices.Contains(ContactFields(), field) {
			return nil, fmt.Errorf("%q is not a field of a contact; they are %s", field, strings.Join(ContactFields(), ", "))
		}
		if !slices.Contains([]Policy{Overwrite, Fill, Never}, Policy(policy)) {
			return nil, fmt.Errorf("%q says neither overwrite, fill nor never, like %s=fill", entry, field)
		}
		p[field] = Policy(policy)
	}
	return p, nil
}

// Changes are the fields of want that are to be written over is, in the order of ContactFields, then the others by
// name. What is does not have at all cannot be written.
func (p Policies) Changes(is, want Fields) (list []Change) {
	for _, field := range want.Names() {
		old, kept := is[field]
		same := old == want[field] || field == FieldEmail && strings.EqualFold(old, want[field]) // vendors write addresses small
		if !kept || same || p[field] == Never || p[field] == Fill && old != "" {
			continue
		}
		list = append(list, Change{field, old, want[field]})
	}
	return list
}

// Names are the fields that there are, in the order of ContactFields, then the others by name.
func (f Fields) Names() (list []string) {
	known := ContactFields()
	for _, name := range known {
		if _, ok := f[name]; ok {
			list = append(list, name)
		}
	}
	others := len(list)
	for name := range f {
		if !slices.Contains(known, name) {
			list = append(list, name)
		}
	}
	slices.Sort(list[others:])
	return list
}
