package redact

import (
	"context"
	"log/slog"
	"regexp"
)

// secretName is a name of an attribute whose value is a secret whatever it looks like.
var secretName = regexp.MustCompile(`(?i)^(authorization|.*cookie|.*password|.*secret|.*token|api_?key|signature)$`)

// Handler is a handler of log records that hands them on to next without secrets.
type Handler struct {
	Redactor Redactor
	Next     slog.Handler
}

// Enabled asks the next handler.
func (h Handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.Next.Enabled(ctx, level)
}

// Handle hands on a clean copy of the record.
func (h Handler) Handle(ctx context.Context, r slog.Record) error {
	clean := slog.NewRecord(r.Time, r.Level, h.Redactor.Text(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(h.attr(a))
		return true
	})
	return h.Next.Handle(ctx, clean)
}

// WithAttrs cleans the attributes once.
func (h Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return Handler{h.Redactor, h.Next.WithAttrs(h.attrs(attrs))}
}

// WithGroup leaves the work to the next handler.
func (h Handler) WithGroup(name string) slog.Handler {
	return Handler{h.Redactor, h.Next.WithGroup(name)}
}

func (h Handler) attrs(attrs []slog.Attr) []slog.Attr {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = h.attr(a)
	}
	return clean
}

// attr leaves alone what cannot hold a text. Anything else is written out, as %+v does, and cleaned.
func (h Handler) attr(a slog.Attr) slog.Attr {
	v := a.Value.Resolve()
	switch v.Kind() {
	case slog.KindGroup:
		return slog.Attr{Key: a.Key, Value: slog.GroupValue(h.attrs(v.Group())...)}
	case slog.KindString, slog.KindAny:
		if secretName.MatchString(a.Key) {
			return slog.String(a.Key, "[secret]")
		}
		text := v.String()
		if b, ok := v.Any().([]byte); ok {
			text = string(b)
		}
		return slog.String(a.Key, h.Redactor.Text(text))
	}
	return slog.Attr{Key: a.Key, Value: v}
}
