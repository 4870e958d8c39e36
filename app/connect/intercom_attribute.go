package connect

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"bursar/app/crm"
	"bursar/app/queue"
)

// intercomAttribute is a custom attribute of contacts that Bursar creates and alone writes.
type intercomAttribute struct {
	Name        string `json:"name"`
	Model       string `json:"model"`
	DataType    string `json:"data_type"` // string, float or datetime
	Description string `json:"description"`
	field       string // whose value it has
}

// intercomKey is the attribute with the key. The id in the company's product, which Intercom calls external_id, is not
// Bursar's: the Messenger knows people by it.
const intercomKey = "bursar_customer_id"

// intercomEmail keeps the address of one whose address another contact has.
const intercomEmail = "bursar_email"

func intercomAttributes() []intercomAttribute {
	list := []intercomAttribute{
		{Name: intercomKey, Description: "Bursar's key of the customer"},
		{Name: intercomEmail, Description: "E-mail address of the customer in Bursar"},
	}
	for _, field := range crm.ContactFields() {
		if field == crm.FieldName || field == crm.FieldEmail {
			continue
		}
		a := intercomAttribute{Name: "bursar_" + field, Description: "Written by Bursar: " + crm.Label(field), field: field}
		switch field {
		case crm.FieldMRR:
			a.DataType = "float"
		case crm.FieldLastPaidAt, crm.FieldNextInvoiceAt:
			a.DataType = "datetime"
		}
		list = append(list, a)
	}
	for n := range list {
		list[n].Model = "contact"
		if list[n].DataType == "" {
			list[n].DataType = "string"
		}
	}
	return list
}

// value is a field as the attribute takes it; nil takes it away.
func (a intercomAttribute) value(text string) any {
	switch {
	case text == "":
		return nil
	case a.DataType == "float":
		if n, err := strconv.ParseFloat(text, 64); err == nil {
			return n
		}
	case a.DataType == "datetime":
		if t, err := time.Parse(time.RFC3339, text); err == nil {
			return t.Unix()
		}
	}
	return text
}

// text undoes value, in either form that Intercom gives a time.
func (a intercomAttribute) text(value any) string {
	switch v := value.(type) {
	case string:
		if t, err := time.Parse(time.RFC3339, v); err == nil && a.DataType == "datetime" {
			return crm.Stamp(t)
		}
		return v
	case float64:
		if a.DataType == "datetime" {
			return crm.Stamp(time.Unix(int64(v), 0))
		}
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}

// checkContacts creates the attributes that are missing.
func (i *intercomRemote) checkContacts(ctx context.Context, prepare bool) error {
	var there struct {
		Data []struct {
			intercomAttribute
			Custom bool `json:"custom"`
		} `json:"data"`
	}
	err := i.do(ctx, "GET", "/data_attributes?model=contact", nil, &there)
	if err == nil && there.Data == nil {
		err = i.c.Unreadable("attributes without a list")
	}
	if err != nil {
		return outcome(fmt.Errorf("read the attributes of people: %w", err))
	}
	types := map[string]string{}
	for _, a := range there.Data {
		if a.Custom {
			types[a.Name] = a.DataType
		}
	}
	for _, a := range intercomAttributes() {
		is := types[a.Name]
		switch {
		case is != "" && is != a.DataType && !(a.DataType == "datetime" && is == "date"):
			return queue.Discard(fmt.Errorf("the attribute %s of people exists and is a %s instead of a %s; archive it in Intercom and let Bursar create it", a.Name, is, a.DataType))
		case is != "" || !prepare:
			continue
		}
		err := i.do(ctx, "POST", "/data_attributes", a, &intercomAttribute{})
		if err != nil && !strings.Contains(err.Error(), "already have") { // made by another process meanwhile
			return outcome(fmt.Errorf("create the attribute %s of people (format %s); Bursar does it with the permission Write data attributes, or do it by hand, in Settings, Data, People: %w", a.Name, a.DataType, err))
		}
	}
	return nil
}
