package connect

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"bursar/app/crm"
)

// intercomNote is a note on a contact (schema note).
type intercomNote struct {
	ID   intercomID `json:"id"`
	Body string     `json:"body"`
}

func (n intercomNote) found(at time.Time) *Found {
	return &Found{ID: string(n.ID), Key: markedKey(n.Body), Fields: crm.Fields{}, At: at}
}

// findNote looks through the notes of the contact for the mark that each of ours ends with.
func (i *intercomRemote) findNote(ctx context.Context, r Record) (*Found, error) {
	if r.Parent == "" {
		return nil, nil
	}
	seen := map[string]bool{}
	for after := ""; ; {
		query := url.Values{"per_page": {"100"}}
		if after != "" {
			query.Set("starting_after", after)
		}
		var page struct {
			Data  []intercomNote `json:"data"`
			Pages intercomPages  `json:"pages"`
		}
		at := time.Now()
		err := i.do(ctx, "GET", "/contacts/"+url.PathEscape(r.Parent)+"/notes?"+query.Encode(), nil, &page)
		if err == nil && page.Data == nil {
			err = i.c.Unreadable("notes without a list")
		}
		if err != nil {
			return nil, err
		}
		for _, n := range page.Data {
			if markedKey(n.Body) == r.Key {
				return n.found(at), nil
			}
		}
		after = page.Pages.after()
		if after == "" {
			return nil, nil
		}
		if seen[after] {
			return nil, i.c.Unreadable("a list that goes in a circle")
		}
		seen[after] = true
	}
}

func (i *intercomRemote) readNote(ctx context.Context, id string) (*Found, error) {
	var n intercomNote
	at := time.Now()
	err := i.do(ctx, "GET", "/notes/"+url.PathEscape(id), nil, &n)
	if isStatus(err, http.StatusNotFound) {
		return nil, nil
	}
	if err == nil && n.ID == "" {
		err = i.c.Unreadable("a note without an id")
	}
	if err != nil {
		return nil, err
	}
	return n.found(at), nil
}

func (i *intercomRemote) createNote(ctx context.Context, r Record) (string, error) {
	author, err := i.author(ctx)
	if err != nil {
		return "", err
	}
	var n intercomNote
	err = i.do(ctx, "POST", "/contacts/"+url.PathEscape(r.Parent)+"/notes", object{"body": markedHTML(r), "admin_id": author}, &n)
	if err == nil && n.ID == "" {
		err = i.c.Unreadable("a new note without an id")
	}
	return string(n.ID), err
}
