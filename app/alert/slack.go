package alert

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"bursar/app/mail"
	"bursar/app/queue"
	"bursar/app/remote"
)

const slackSystem = "slack"

// Slack is an incoming webhook (https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks). Its URL is
// a secret: no error names it.
type Slack struct {
	URL    string
	Client *http.Client // from package remote
}

// SendSlack is the job that tells some notices in Slack.
type SendSlack struct{ Notices []int64 }

// Kind is the job's name.
func (SendSlack) Kind() string { return "send_slack" }

// Key is the first notice.
func (a SendSlack) Key() string {
	if len(a.Notices) == 0 {
		return ""
	}
	return strconv.FormatInt(a.Notices[0], 10)
}

// Handle registers the jobs of this package.
func (w *Watch) Handle(worker *queue.Worker) {
	queue.Handle(worker, queue.Options{System: slackSystem}, w.sendSlack)
}

// sendSlack says the notices once more if the process dies between Slack's answer and our note of it.
func (w *Watch) sendSlack(ctx context.Context, args SendSlack) error {
	if w.Slack == nil {
		return queue.Discard(errors.New("SLACK_WEBHOOK_URL is not set any more"))
	}
	list, err := notices(ctx, w.DB.Read(), args.Notices)
	if err != nil {
		return fmt.Errorf("read the notices: %w", err)
	}
	if len(list) == 0 {
		return queue.Discard(errors.New("the notices are gone"))
	}
	items, more := w.items(list)
	return w.Slack.Post(ctx, slackText(items, more))
}

// SlackError is Slack's refusal.
type SlackError struct{ Status int }

func (e *SlackError) Error() string { return fmt.Sprintf("Slack answered %d", e.Status) }

// Post says a text. What must be mended in a setting is queue.Unauthorized, what may get better by itself
// queue.Unavailable. The answers are those of
// https://api.slack.com/changelog/2016-05-17-changes-to-errors-for-incoming-webhooks.
func (s *Slack) Post(ctx context.Context, text string) error {
	body, err := json.Marshal(map[string]any{"text": text, "unfurl_links": false, "unfurl_media": false})
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, bytes.NewReader(body))
	if err != nil {
		return queue.Unauthorized(errors.New("SLACK_WEBHOOK_URL is not a URL"))
	}
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	res, err := s.Client.Do(r)
	if err != nil {
		reason := fmt.Errorf("call Slack: %w", remote.Reason(err))
		if errors.Is(err, remote.ErrInternal) || errors.Is(err, remote.ErrNotEncrypted) || errors.Is(err, remote.ErrRedirect) {
			return queue.Unauthorized(reason)
		}
		return queue.Unavailable(reason, 0)
	}
	defer res.Body.Close()
	io.Copy(io.Discard, io.LimitReader(res.Body, 4<<10)) // so that the connection can be used again
	refusal := &SlackError{res.StatusCode}
	switch {
	case res.StatusCode/100 == 2:
		return nil
	case res.StatusCode == http.StatusTooManyRequests:
		seconds, _ := strconv.Atoi(res.Header.Get("Retry-After"))
		return queue.Unavailable(refusal, time.Duration(max(seconds, 0))*time.Second)
	case res.StatusCode/100 == 3, res.StatusCode == http.StatusUnauthorized, res.StatusCode == http.StatusForbidden, res.StatusCode == http.StatusNotFound, res.StatusCode == http.StatusGone:
		return queue.Unauthorized(refusal)
	case res.StatusCode/100 == 4:
		return queue.Discard(refusal)
	}
	return queue.Unavailable(refusal, 0)
}

// slackText writes items in Slack's markup.
func slackText(items []Item, more int) string {
	var b strings.Builder
	for n, i := range items {
		if n > 0 {
			b.WriteString("\n\n")
		}
		fmt.Fprintf(&b, "*%s*", escape(i.Line()))
		for _, line := range []string{i.Cause, i.Note()} {
			if line != "" {
				b.WriteString("\n" + escape(line))
			}
		}
		fmt.Fprintf(&b, "\nSince %s.", escape(i.When()))
		if i.Step != "" {
			b.WriteString(" " + escape(i.Step))
		}
		fmt.Fprintf(&b, " <%s|Open>", linkable.Replace(i.Link))
	}
	if more > 0 {
		fmt.Fprintf(&b, "\n\nand %d more", more)
	}
	return b.String()
}

var (
	// escaped are the characters that mean something to Slack, in text (https://docs.slack.dev/messaging/formatting-message-text#escaping),
	// and the marks of bold, italics and code, which look-alikes stand for.
	escaped  = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "*", "∗", "~", "∼", "`", "ˋ")
	linkable = strings.NewReplacer("&", "&amp;", "<", "%3C", ">", "%3E", "|", "%7C")
)

// escape makes foreign text say nothing but itself: no mentions, no links, no bold.
func escape(s string) string { return escaped.Replace(mail.Line(s, 600)) }
