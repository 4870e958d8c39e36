package connect

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"bursar/app/crm"
	"bursar/app/queue"
)

// hubspot speaks the date version 2026-09 of HubSpot's API: v3 ends in September 2027
// (https://developers.hubspot.com/docs/api-reference/legacy/migration-guide). The shapes are those of
// https://github.com/HubSpot/HubSpot-public-api-spec-collection, PublicApiSpecs/CRM/…/2026-09.
func hubspot() Vendor {
	return Vendor{
		Name: "hubspot", Label: "HubSpot", CRM: true, Desk: true, Base: "https://api.hubapi.com",
		Token: "the token of a private app or a service key with the scopes in docs/connectors.md",
		// bursar_customer_id and bursar_cause are unique there.
		Absorbs: []Kind{Contact, Ticket},
		// 100 requests in 10 seconds is the least that any plan has
		// (https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines).
		Rate: 9, Burst: 10,
		Options: []Option{
			{Suffix: "TICKET_PIPELINE", Otherwise: "0", Help: "The pipeline of HubSpot's tickets, by its id."},
			{Suffix: "TICKET_OPEN_STAGE", Otherwise: "1", Help: "Where a ticket begins in that pipeline."},
			{Suffix: "TICKET_CLOSED_STAGE", Otherwise: "4", Help: "Where a ticket goes when its cause is gone."},
			{Suffix: "TICKET_OWNER", Help: "Id of the HubSpot user who gets new tickets."},
		},
		Open: func(c *Client, options map[string]string) Remote {
			c.Explain = hubspotMessage
			return &hubspotRemote{c: c, options: options, closed: map[string]bool{}, stages: map[string]string{}, owners: map[string]string{}}
		},
		Verify: verifyHubspot,
	}
}

type hubspotRemote struct {
	c       *Client
	options map[string]string

	mu     sync.Mutex
	closed map[string]bool   // stages that end a ticket; empty until they were read
	stages map[string]string // names by id
	owners map[string]string // names by id
}

const hubspotVersion = "2026-09"

var (
	hubspotTypes = map[Kind]string{Contact: "contacts", Ticket: "tickets", Task: "tasks", Note: "notes", Message: "notes"}
	hubspotKeys  = map[Kind]string{Contact: "bursar_customer_id", Ticket: "bursar_cause"}
	// The ids of HubSpot's own association types
	// (https://developers.hubspot.com/docs/guides/api/crm/associations/associations-v4#association-type-id-values).
	hubspotLinks = map[Kind]int{Note: 202, Task: 204, Ticket: 16, Message: 228}
)

// hubspotProperty is a property that Bursar creates and alone writes.
type hubspotProperty struct {
	Name      string `json:"name"`
	Label     string `json:"label"`
	Group     string `json:"groupName"`
	Type      string `json:"type"`
	FieldType string `json:"fieldType"`
	Unique    bool   `json:"hasUniqueValue"`
	field     string // whose value it has
}

// hubspotProperties are what a kind needs there. The unique one cannot be made unique later.
func hubspotProperties(kind Kind) []hubspotProperty {
	text := func(name, label, field string) hubspotProperty {
		return hubspotProperty{Name: name, Label: label, Type: "string", FieldType: "text", field: field}
	}
	list := []hubspotProperty{
		text("bursar_customer_id", "Bursar customer", ""), text("bursar_email", "Bursar e-mail", ""), text("bursar_user_id", "User id", crm.FieldUserID),
		text("bursar_stripe_ids", "Stripe customers", crm.FieldStripeIDs), text("bursar_lifecycle", "Bursar lifecycle", crm.FieldLifecycle),
		text("bursar_plan", "Plan", crm.FieldPlan), text("bursar_status", "Subscription status", crm.FieldStatus),
		text("bursar_access", "Access", crm.FieldAccess), text("bursar_mrr", "MRR", crm.FieldMRR), text("bursar_currency", "MRR currency", crm.FieldCurrency),
		text("bursar_last_paid_at", "Last paid", crm.FieldLastPaidAt), text("bursar_next_invoice_at", "Next invoice", crm.FieldNextInvoiceAt),
		text("bursar_url", "Customer in Bursar", crm.FieldURL),
	}
	group := "contactinformation"
	if kind == Ticket {
		list, group = []hubspotProperty{text("bursar_cause", "Bursar cause", ""), text("bursar_queue", "Bursar queue", Queue), text("bursar_tags", "Bursar tags", Tags)}, "ticketinformation"
	}
	list[0].Unique = true
	for i := range list {
		list[i].Group = group
		switch list[i].field {
		case crm.FieldMRR:
			list[i].Type, list[i].FieldType = "number", "number"
		case crm.FieldLastPaidAt, crm.FieldNextInvoiceAt:
			list[i].Type, list[i].FieldType = "datetime", "date"
		}
	}
	return list
}

// hubspotObject is a record as HubSpot gives it. Every value is a string.
type hubspotObject struct {
	ID         string             `json:"id"`
	Properties map[string]*string `json:"properties"`
	URL        string             `json:"url"`
	// Of a ticket, with associations=contacts.
	Associations map[string]struct {
		Results []struct {
			ID string `json:"id"`
		} `json:"results"`
	} `json:"associations"`
}

func (o hubspotObject) get(name string) string {
	if v := o.Properties[name]; v != nil {
		return *v
	}
	return ""
}

type hubspotPage struct {
	Results []hubspotObject `json:"results"`
	Errors  []hubspotError  `json:"errors"`
	Paging  struct {
		Next struct {
			After string `json:"after"`
		} `json:"next"`
	} `json:"paging"`
}

type hubspotError struct {
	Status   string `json:"status"`
	Category string `json:"category"`
	Message  string `json:"message"`
	Errors   []struct {
		Message string `json:"message"`
		Context struct {
			Scopes []string `json:"requiredGranularScopes"`
		} `json:"context"`
	} `json:"errors"`
}

// hubspotMessage is what an error says, with the scopes that are missing.
func hubspotMessage(_ int, body []byte) string {
	var e hubspotError
	if json.Unmarshal(body, &e) != nil {
		return string(body)
	}
	text := e.Message
	for _, one := range e.Errors {
		if one.Message != "" && one.Message != e.Message {
			text += "; " + one.Message
		}
		if len(one.Context.Scopes) > 0 {
			text += "; the token lacks the scope " + strings.Join(one.Context.Scopes, ", ")
		}
	}
	return text
}

func (h *hubspotRemote) path(kind Kind, rest string) string {
	return "/crm/objects/" + hubspotVersion + "/" + hubspotTypes[kind] + rest
}

// names of the properties that are read of a kind.
func (h *hubspotRemote) names(kind Kind) []string {
	switch kind {
	case Task:
		return []string{"hs_task_subject", "hs_task_body", "hs_task_status"}
	case Note, Message:
		return []string{"hs_note_body"}
	case Ticket:
		return []string{"subject", "content", "hs_pipeline_stage", "hs_ticket_priority", "hubspot_owner_id", "bursar_cause", "bursar_queue", "bursar_tags"}
	}
	list := []string{"firstname", "lastname", "email"}
	for _, p := range hubspotProperties(Contact) {
		list = append(list, p.Name)
	}
	return list
}

// Check implements Remote: it creates the properties that are missing.
func (h *hubspotRemote) Check(ctx context.Context, prepare bool) error {
	for _, kind := range []Kind{Contact, Ticket} {
		if (kind == Ticket) != (h.options[AreaOption] == AreaDesk) {
			continue
		}
		var there struct {
			Results []hubspotProperty `json:"results"`
		}
		path := "/crm/properties/" + hubspotVersion + "/" + hubspotTypes[kind]
		err := h.c.Do(ctx, "GET", path, nil, &there)
		if err == nil && there.Results == nil {
			err = h.c.Unreadable("properties without a list")
		}
		if err != nil {
			return outcome(fmt.Errorf("read the properties of %s: %w", hubspotTypes[kind], err))
		}
		for _, p := range hubspotProperties(kind) {
			n := slices.IndexFunc(there.Results, func(is hubspotProperty) bool { return is.Name == p.Name })
			if n >= 0 && p.Unique && !there.Results[n].Unique {
				return queue.Discard(fmt.Errorf("the property %s of %s exists and is not unique; delete it in HubSpot and let Bursar create it", p.Name, hubspotTypes[kind]))
			}
			if n >= 0 || !prepare {
				continue
			}
			err = h.conflict(h.c.Do(ctx, "POST", path, p, &hubspotProperty{}))
			if err != nil && !errors.Is(err, ErrConflict) {
				return outcome(fmt.Errorf("create the property %s of %s (name %s, type %s, field type %s, unique %t); with the scope crm.schemas.%s.write Bursar does it, or do it by hand: %w",
					p.Label, hubspotTypes[kind], p.Name, p.Type, p.FieldType, p.Unique, hubspotTypes[kind], err))
			}
		}
	}
	return nil
}

// hubspotWindow is how old a webhook may be.
const hubspotWindow = 5 * time.Minute

// verifyHubspot checks version 3 of the signature
// (https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation).
func verifyHubspot(w Webhook) ([]string, error) {
	stamp := w.Header.Get("X-Hubspot-Request-Timestamp")
	ms, err := strconv.ParseInt(stamp, 10, 64)
	if age := w.Now.Sub(time.UnixMilli(ms)); err != nil || age > hubspotWindow || age < -hubspotWindow {
		return nil, ErrSignature
	}
	mac := hmac.New(sha256.New, []byte(w.Secret))
	mac.Write([]byte(http.MethodPost + w.URL))
	mac.Write(w.Body)
	mac.Write([]byte(stamp))
	given, err := base64.StdEncoding.DecodeString(w.Header.Get("X-Hubspot-Signature-V3"))
	if err != nil || !hmac.Equal(given, mac.Sum(nil)) {
		return nil, ErrSignature
	}
	var events []struct {
		ObjectID     json.Number `json:"objectId"`
		Subscription string      `json:"subscriptionType"`
		ObjectType   string      `json:"objectTypeId"`
	}
	if err := json.Unmarshal(w.Body, &events); err != nil {
		return nil, fmt.Errorf("read the events of a webhook: %w", err)
	}
	var ids []string
	for _, e := range events {
		if strings.HasPrefix(e.Subscription, "ticket.") || e.ObjectType == "0-5" {
			ids = append(ids, e.ObjectID.String())
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}
