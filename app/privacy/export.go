package privacy

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"bursar/app/db"
)

// Export is everything stored about one person.
type Export struct {
	Customer   int64               `json:"customer"`
	ExportedAt time.Time           `json:"exported_at"`
	About      string              `json:"about"`
	Tables     map[string][]db.Row `json:"tables"`
}

const aboutExport = "Everything this Bursar has stored about one person, by the tables of its file. Amounts are in the smallest unit of their currency; times are UTC. " +
	"Stripe, the CRM and the support desk hold data of their own, which they export themselves."

// Read gives everything stored about a customer. It does not write: whoever gives it out notes that in the audit.
func Read(ctx context.Context, q *db.Queries, id int64) (Export, error) {
	p, err := Load(ctx, q, id)
	if err != nil {
		return Export{}, err
	}
	e := Export{Customer: id, ExportedAt: time.Now().UTC().Truncate(time.Second), About: aboutExport, Tables: map[string][]db.Row{}}
	for _, t := range tables {
		if t.about == "" {
			continue
		}
		rows, err := q.Rows(ctx, "SELECT * FROM "+t.name+" WHERE "+t.about, p.json())
		if err != nil {
			return Export{}, fmt.Errorf("export customer %d from %s: %w", id, t.name, err)
		}
		rows = onlyTheirs(t.name, rows, newWords(p.Words))
		for _, row := range rows {
			readable(row)
		}
		if len(rows) > 0 {
			e.Tables[t.name] = rows
		}
	}
	return e, nil
}

// onlyTheirs leaves out what is about other people: of a mail, which may be a report of the whole company, it
// keeps the lines that name the person, and of the audit not who of those who work here did it.
func onlyTheirs(table string, rows []db.Row, w words) (theirs []db.Row) {
	for _, row := range rows {
		switch table {
		case "mails":
			text, _ := row["text"].(string)
			lines := slices.DeleteFunc(strings.Split(text, "\n"), func(line string) bool { return !w.in(line) })
			if len(lines) == 0 {
				continue
			}
			row = db.Row{"id": row["id"], "subject": row["subject"], "created_at": row["created_at"], "sent_at": row["sent_at"], "lines": lines}
		case "audit":
			delete(row, "actor")
			delete(row, "address")
		}
		theirs = append(theirs, row)
	}
	return theirs
}

// readable shows times as such and JSON as it is, and leaves out hashes.
func readable(row db.Row) {
	for name, value := range row {
		switch v := value.(type) {
		case int64:
			if strings.HasSuffix(name, "_at") {
				row[name] = nil
				if v != 0 {
					row[name] = time.UnixMilli(v).UTC().Format(time.RFC3339)
				}
			}
		case []byte:
			delete(row, name)
			if json.Valid(v) {
				row[name] = json.RawMessage(v)
			}
		case string:
			if (strings.HasPrefix(v, "{") || strings.HasPrefix(v, "[")) && json.Valid([]byte(v)) {
				row[name] = json.RawMessage(v)
			}
		}
	}
}
