package demo

import "strings"

// expand replaces ids by the objects they name
// (https://docs.stripe.com/api/expanding_objects).
func (s *Stripe) expand(result object, paths []string) error {
	for _, path := range paths {
		fields := strings.Split(path, ".")
		depth := len(fields)
		if fields[0] == "data" && result["object"] == "list" {
			depth--
		}
		if depth > 4 {
			return invalid("", "expand", "You cannot expand more than 4 levels of a property. Property: "+path)
		}
		if !s.expandField(result, fields) {
			return invalid("", "expand", "This property cannot be expanded ("+path+").")
		}
	}
	return nil
}

// expandField follows one path into value; false when the path leads nowhere.
func (s *Stripe) expandField(value any, fields []string) bool {
	if rows, ok := value.([]any); ok {
		for _, row := range rows {
			if !s.expandField(row, fields) {
				return false
			}
		}
		return true
	}
	o, ok := value.(object)
	if !ok {
		return value == nil // nothing there to expand
	}
	if len(fields) == 0 {
		return true
	}
	name := fields[0]
	s.include(o, name)
	inner, ok := o[name]
	if id, is := inner.(string); is {
		e := s.lookup(id)
		if e == nil {
			return false
		}
		inner = e.render()
		o[name] = inner
	}
	return ok && s.expandField(inner, fields[1:])
}

// include adds the lists that are left out of an object unless they are asked for.
func (s *Stripe) include(o object, name string) {
	id, _ := o["id"].(string)
	switch o["object"] {
	case "charge":
		if name == "refunds" {
			o[name] = listOf("/v1/charges/"+id+"/refunds", s.refunds.of(id))
		}
	case "customer":
		if name == "subscriptions" {
			var live []*subscription
			for _, sub := range s.subscriptions.of(id) {
				if !sub.over() {
					live = append(live, sub)
				}
			}
			o[name] = listOf("/v1/customers/"+id+"/subscriptions", live)
		}
	case "checkout.session":
		if cs := s.checkouts.byID[id]; name == "line_items" && cs != nil {
			o[name] = cs.renderItems()
		}
	}
}

// lookup finds any object by its id; nil when there is none.
func (s *Stripe) lookup(id string) entity {
	prefix, _, _ := strings.Cut(id, "_")
	switch prefix {
	case "cus":
		return found(&s.customers, id)
	case "prod":
		return found(&s.products, id)
	case "price":
		return found(&s.prices, id)
	case "sub":
		return found(&s.subscriptions, id)
	case "in":
		return found(&s.invoices, id)
	case "pi":
		return found(&s.intents, id)
	case "ch":
		return found(&s.charges, id)
	case "re":
		return found(&s.refunds, id)
	case "dp":
		return found(&s.disputes, id)
	}
	return nil
}

// found keeps a missing row from becoming an entity that is not nil.
func found[T entity](t *table[T], id string) entity {
	if v, ok := t.byID[id]; ok {
		return v
	}
	return nil
}
