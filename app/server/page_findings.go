package server

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"bursar/app/auth"
	"bursar/app/db"
	"bursar/app/mail"
	"bursar/app/reconcile"
)

// findingRoutes are what a comparison found, and what a person decides about it.
func (s *Server) findingRoutes() []Route {
	return []Route{
		{"GET", "/admin/decide", may(auth.Look), s.findingOfLink},
		{"GET", "/admin/findings/{id}", may(auth.Look), s.findingPage},
		{"POST", "/admin/findings/{id}/repair", may(auth.Repair), s.repairFinding},
		{"POST", "/admin/findings/{id}/dismiss", may(auth.Repair), s.dismissFinding},
		{"POST", "/admin/findings/{id}/reopen", may(auth.Repair), s.reopenFinding},
		{"POST", "/admin/findings/{id}/put-back", may(auth.Repair), s.putBackFinding},
	}
}

const noFinding = "there is no such finding"

// findingPageData is one difference, and what can be done about it.
type findingPageData struct {
	page
	Finding db.Finding
	Kind    reconcile.Kind
	Who     link
	Others  []link // customers it is about besides
	Merge   string // where the two are compared, "" if that is not for who is signed in
	Cells   []saidCell
	Cause   string
	Repairs []db.Repair
	Asked   bool // its repair is under way
	MayAct  bool
	CanAsk  bool   // there is a job that a person may ask for
	CanBack bool   // what stood there before can be written again
	Token   string // of the link in the mail, "" where the page was opened without one
}

// saidCell is what one system said.
type saidCell struct {
	System string
	Said   *reconcile.Said // nil: it does not keep the thing
}

func cellsOf(f db.Finding) []saidCell {
	said := reconcile.ReadSystems(f)
	cells := []saidCell{{"Stripe", said.Stripe}, {"Bursar", said.Bursar}, {"CRM", said.CRM}, {"Desk", said.Desk}}
	for _, c := range cells {
		if c.Said != nil {
			c.Said.Text = mail.Line(c.Said.Text, maxCell)
		}
	}
	return cells
}

// About is what it is of, "" if that is the customer who is named beside it.
func (d findingPageData) About() string {
	if d.Who.Path != "" && d.Who.Path == "/admin/customers/"+d.Finding.Subject {
		return ""
	}
	return d.Finding.Subject
}

// findingPage answers GET /admin/findings/{id}: it is also where a repair is confirmed.
func (s *Server) findingPage(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, noFinding)
	if err != nil {
		return err
	}
	f, err := s.DB.Read().FindingByID(r.Context(), id)
	if err != nil {
		return found(err, noFinding)
	}
	return s.showFinding(w, r, f, "")
}

// findingOfLink answers GET /admin/decide?token=…, as the mail has it. The link leads to one finding and
// repairs it once; whoever follows it is signed in and has the permission, or sees the page only.
func (s *Server) findingOfLink(w http.ResponseWriter, r *http.Request) error {
	token := r.URL.Query().Get("token")
	f, err := s.DB.Read().FindingByLink(r.Context(), linkHash(token), db.Now())
	if errors.Is(err, db.ErrNoRows) {
		return s.seeOther(w, r, "/admin/reports", notice{Text: "This link was used, has run out, or a newer mail took its place. The reports show what is still open.", Bad: true})
	}
	if err != nil {
		return fmt.Errorf("look up a link: %w", err)
	}
	return s.showFinding(w, r, f, token)
}

func linkHash(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

func (s *Server) showFinding(w http.ResponseWriter, r *http.Request, f db.Finding, token string) error {
	ctx, q := r.Context(), s.DB.Read()
	kind := reconcile.KindOf(f.Kind)
	title := kind.Title
	if title == "" { // of another version of Bursar
		title = f.Kind
	}
	d := findingPageData{page: s.page(w, r, mail.UpperFirst(title)), Finding: f, Kind: kind, Cells: cellsOf(f), Cause: reconcile.CauseWords(f.Cause), Token: token,
		MayAct: userOf(r).Role.May(auth.Repair)}
	d.Finding.Expected, d.Finding.Actual, d.Finding.Evidence = mail.Line(f.Expected, 300), mail.Line(f.Actual, 300), mail.Line(f.Evidence, 400)
	if f.CustomerID.Valid {
		c, err := q.CustomerByID(ctx, f.CustomerID.Int64)
		if err != nil && !errors.Is(err, db.ErrNoRows) {
			return fmt.Errorf("the customer of finding %d: %w", f.ID, err)
		}
		if err == nil {
			d.Who = nameLink(c.Name, c.Email, c.ID)
		}
	}
	if other := otherCustomer(f); other != 0 {
		c, err := q.CustomerByID(ctx, other)
		if err != nil && !errors.Is(err, db.ErrNoRows) {
			return fmt.Errorf("the other customer of finding %d: %w", f.ID, err)
		}
		if err == nil {
			d.Others = append(d.Others, nameLink(c.Name, c.Email, c.ID))
		}
		if err == nil && d.Who.Path != "" && d.User.Role.May(auth.MergeCustomers) {
			d.Merge = fmt.Sprintf("%s/merge?with=%d", d.Who.Path, other)
		}
	}
	var err error
	if d.Repairs, err = q.RepairsOfFinding(ctx, f.ID); err != nil {
		return fmt.Errorf("the repairs of finding %d: %w", f.ID, err)
	}
	for _, p := range d.Repairs {
		d.Asked = d.Asked || p.State == "asked"
	}
	d.CanAsk = f.State == "open" && f.JobKind != "" && !d.Asked
	d.CanBack = f.State == "fixed" && f.Before != ""
	return s.render(w, http.StatusOK, "finding", d)
}

// otherCustomer is the second customer of two that look like one.
func otherCustomer(f db.Finding) (id int64) {
	if f.Kind != "duplicate_customers" {
		return 0
	}
	var first int64
	if _, err := fmt.Sscanf(f.Subject, "%d+%d", &first, &id); err != nil {
		return 0
	}
	return id
}

// decide reads the finding and the reason of a form, does what was decided in one transaction with its row of
// the audit, and goes back to the finding.
func (s *Server) decide(w http.ResponseWriter, r *http.Request, action, outcome string, do func(ctx context.Context, q *db.Queries, f db.Finding, why string) error, done notice) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	id, err := pathID(r, noFinding)
	if err != nil {
		return err
	}
	ctx, why := r.Context(), mail.Line(r.PostFormValue("reason"), lineLength)
	err = s.DB.Tx(ctx, func(q *db.Queries) error {
		f, err := q.FindingByID(ctx, id)
		if err != nil {
			return found(err, noFinding)
		}
		if err := do(ctx, q, f, why); err != nil {
			return err
		}
		e := s.entry(r, action, fmt.Sprintf("finding %d", f.ID), f.Kind+" "+f.Subject)
		e.Outcome, e.Reason, e.Before, e.After = outcome, why, f.Actual, f.Expected
		return auth.Audit(ctx, q, e)
	})
	for refused, text := range map[error]string{
		reconcile.ErrGone:    "Nothing was done: the difference is gone, or somebody else decided it first.",
		reconcile.ErrPending: "Its repair was asked for already. It shows here in a moment.",
		reconcile.ErrNoWay:   "Bursar cannot do this by itself; it must be done in the other system.",
		errLinkUsed:          "Nothing was done: the link of the mail was used already.",
		errNoReason:          "Nothing was done: say why, so that others understand it later.",
	} {
		if errors.Is(err, refused) {
			done, err = notice{Text: text, Bad: true}, nil
		}
	}
	if err != nil {
		return err
	}
	return s.seeOther(w, r, fmt.Sprintf("/admin/findings/%d", id), done)
}

var (
	errLinkUsed = errors.New("the link was used")
	errNoReason = errors.New("there is no reason")
)

// repairFinding answers POST /admin/findings/{id}/repair. A token of a mail works once, for its own finding.
func (s *Server) repairFinding(w http.ResponseWriter, r *http.Request) error {
	return s.decide(w, r, "findings.repair", auth.Asked, func(ctx context.Context, q *db.Queries, f db.Finding, why string) error {
		if token := r.PostFormValue("token"); token != "" {
			n, err := q.UseFindingLink(ctx, f.ID, linkHash(token), db.Now())
			if err != nil {
				return fmt.Errorf("use the link of finding %d: %w", f.ID, err)
			}
			if n == 0 {
				return errLinkUsed
			}
		}
		return reconcile.Ask(ctx, q, f, userOf(r).Email, why)
	}, notice{Text: "The repair begins. It looks once more before it does anything; the result shows here in a moment."})
}

// dismissFinding answers POST /admin/findings/{id}/dismiss.
func (s *Server) dismissFinding(w http.ResponseWriter, r *http.Request) error {
	undo := &action{"Undo", strings.TrimSuffix(r.URL.Path, "/dismiss") + "/reopen"}
	return s.decide(w, r, "findings.dismiss", auth.Done, func(ctx context.Context, q *db.Queries, f db.Finding, why string) error {
		if why == "" {
			return errNoReason
		}
		n, err := q.DismissFinding(ctx, db.DismissFindingParams{Now: db.Now(), Who: userOf(r).Email, Why: why, ID: f.ID})
		if err == nil && (n == 0 || f.State != "open") {
			err = reconcile.ErrGone
		}
		return err
	}, notice{Text: "Dismissed. It comes back only if what the systems say changes.", Undo: undo})
}

// reopenFinding answers POST /admin/findings/{id}/reopen: the undo of a dismissal.
func (s *Server) reopenFinding(w http.ResponseWriter, r *http.Request) error {
	return s.decide(w, r, "findings.reopen", auth.Done, func(ctx context.Context, q *db.Queries, f db.Finding, _ string) error {
		n, err := q.ReopenFinding(ctx, f.ID)
		if err == nil && n == 0 {
			err = reconcile.ErrGone
		}
		return err
	}, notice{Text: "It is open again."})
}

// putBackFinding answers POST /admin/findings/{id}/put-back: what a repair replaced is written again.
func (s *Server) putBackFinding(w http.ResponseWriter, r *http.Request) error {
	return s.decide(w, r, "findings.put-back", auth.Done, func(ctx context.Context, q *db.Queries, f db.Finding, _ string) error {
		return reconcile.PutBack(ctx, q, f, userOf(r).Email)
	}, notice{Text: "What stood there is written again, and the finding is dismissed. The next change of the customer in Stripe writes Bursar's fields anew."})
}
