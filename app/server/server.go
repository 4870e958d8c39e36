// Package server is the outside of the program: Stripe's webhook, the product API, health and metrics.
// What may be asked, and by whom, is the table in routes.go.
package server

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/net/netutil"
	"golang.org/x/time/rate"

	"bursar/app/alert"
	"bursar/app/auth"
	"bursar/app/billing"
	"bursar/app/connect"
	"bursar/app/crm"
	"bursar/app/db"
	"bursar/app/mail"
	"bursar/app/money"
	"bursar/app/queue"
	"bursar/app/support"
)

// Config is what a Server is made of. Without Secrets there is no webhook, without Files no pages; the
// rest is needed.
type Config struct {
	DB         *db.DB
	Billing    *billing.Billing
	Desk       support.Desk
	Policies   crm.Policies      // of the contacts' fields: what may differ
	Hooks      *connect.Settings // of the desk that may send webhooks, nil for none
	Connectors []*connect.Keeper // systems of other companies
	Money      *money.Money
	Secrets    []string // signing secrets of the Stripe endpoint: the current one and, while it is rolled, the previous
	Version    string
	Log        *slog.Logger
	Files      fs.FS          // web/pages and web/assets
	Location   *time.Location // of the company
	URL        string         // public address
	Proxies    []netip.Prefix // in front of us, whose X-Forwarded-For is believed
	Settings   []Setting      // for the page of that name
	Key        auth.Key       // seals secrets that must be read again
	Mails      *mail.Templates
	Send       bool          // mail is sent; without SMTP it stays in the outbox
	Resets     bool          // a forgotten password can be reset by mail
	Demo       *Demo         // the panel of bursar demo, nil elsewhere
	Tally      *alert.Tally  // what the alerts count; nil counts for nobody
	Alerts     *alert.Watch  // nil: nothing is watched
	Worker     *queue.Worker // for its figures; nil where there is none
}

// Server answers HTTP requests.
type Server struct {
	Config
	routes      []Route
	mux         *http.ServeMux
	crossOrigin http.CrossOriginProtection
	metrics     *metrics
	gate        *auth.Gate
	wrongs      *rate.Limiter // of audit rows about wrong sign-ins
	denials     denials
	pages       *pages
	bodies      sync.Pool // *bytes.Buffer, for the webhook
	figures     figuresCache
	streams     streams
}

// New makes a server. It fails if a route does not say who may ask, or a secret is empty.
func New(c Config) (*Server, error) {
	// Everybody can sign with an empty secret.
	if slices.Contains(c.Secrets, "") {
		return nil, errors.New("a signing secret of the Stripe webhook is empty; look for a stray comma in STRIPE_WEBHOOK_SECRET")
	}
	if c.Money == nil {
		c.Money = &money.Money{DB: c.DB} // without a key, it says what is missing
	}
	if c.Tally == nil {
		c.Tally = new(alert.Tally)
	}
	s := &Server{Config: c, metrics: newMetrics(c), wrongs: rate.NewLimiter(1, 60), streams: newStreams()}
	gate, err := auth.NewGate(c.Key, c.URL)
	if err != nil {
		return nil, err
	}
	s.gate = gate
	if c.Files != nil {
		pages, err := newPages(c.Files, c.Location)
		if err != nil {
			return nil, err
		}
		s.pages = pages
	}
	s.routes = s.table()
	mux, err := s.newMux(s.routes)
	if err != nil {
		return nil, fmt.Errorf("routes: %w", err)
	}
	s.mux = mux
	return s, nil
}

// Handler is the whole of it.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serve) }

const (
	headerTimeout  = 5 * time.Second
	idleTimeout    = 60 * time.Second
	maxHeader      = 64 << 10
	maxConnections = 1024
)

// HTTPServer is a server for addr with limits. It has no write timeout, which would cut off live pages;
// bodies have their own deadline.
func (s *Server) HTTPServer(addr string) *http.Server {
	web := &http.Server{Addr: addr, Handler: s.Handler(), ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelWarn)}
	web.RegisterOnShutdown(s.streams.end)
	return web
}

// Listen listens on addr for up to 1,024 connections at a time; more wait to be accepted.
func Listen(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w; is another program using it? BURSAR_ADDR says where to listen", addr, err)
	}
	return netutil.LimitListener(l, maxConnections), nil
}
