package rehearse

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"postseal/internal/detect"
	"postseal/internal/plan"
	"postseal/internal/postfix"
	"postseal/internal/probe"
)

// client is one kind of client.
type client struct {
	name, text string
	// run shakes hands and returns what happened, and what should have happened
	// instead, or "" if all is well.
	run func(ctx context.Context) (got, want string)
}

// clients returns the clients that are useful at this listener.
func (l *listener) clients() []client {
	if l.check.Mode == plan.GreetOnly {
		return []client{{"greeting", "a client without TLS, where TLS is off", func(ctx context.Context) (string, string) {
			if _, err := probe.Greet(ctx, l.target(), probe.Options{}); err != nil {
				return failure(err), "a greeting"
			}
			return "greeted, without TLS", ""
		}}}
	}
	out := []client{
		{"modern", "a current client", func(ctx context.Context) (string, string) {
			return l.meet(ctx, probe.Options{ServerName: l.candidate.Config.Text(nil, "myhostname")})
		}},
		{"no SNI", "a client that sends no server name", func(ctx context.Context) (string, string) {
			return l.meet(ctx, probe.Options{})
		}},
		{"other SNI", "a client that sends another server name", func(ctx context.Context) (string, string) {
			return l.meet(ctx, probe.Options{ServerName: "elsewhere.invalid"})
		}},
		{"TLS 1.0/1.1", "a client from before 2008", l.old},
		{"anonymous", "a client that offers only suites without a certificate", l.anonymous},
		{"old suites", "a client that offers only excluded suites", l.oldSuites},
		{"aborts", "a client that disconnects in the middle of a handshake", l.aborted},
		{"slow", "a client that sends its ClientHello in pieces", func(ctx context.Context) (string, string) {
			return l.meet(ctx, probe.Options{Dial: slowly(150 * time.Millisecond)})
		}},
	}
	if l.check.Floor != "TLSv1.3" {
		for _, kind := range []string{"RSA", "ECDSA"} {
			out = append(out, client{"TLS 1.2 " + kind, "a TLS 1.2 client that accepts only " + kind, func(ctx context.Context) (string, string) {
				return l.kind(ctx, kind)
			}})
		}
	} else {
		out = append(out, client{"TLS 1.2", "a client without TLS 1.3", func(ctx context.Context) (string, string) {
			return l.below(ctx, tls.VersionTLS12, tls.VersionTLS12)
		}})
	}
	if len(l.suites()) == 0 {
		out = slices.DeleteFunc(out, func(c client) bool { return c.name == "old suites" })
	}
	return append(out, l.seen()...)
}

// target is the twin. Behind a postscreen it is the smtpd that has to be
// greeted by the proxy protocol, or not.
func (l *listener) target() probe.Target {
	return probe.Target{Addr: l.port.Addr, Implicit: l.check.Mode == plan.Implicit, Proxy: l.candidate.Config.Text(&l.service, "smtpd_upstream_proxy_protocol") != ""}
}

// meet shakes hands and compares the result with what the configuration promises.
func (l *listener) meet(ctx context.Context, o probe.Options) (got, want string) {
	r, err := probe.Handshake(ctx, l.target(), o)
	var e *probe.Error
	if errors.As(err, &e) && l.demands() && (e.Stage == probe.Inside ||
		e.Stage == probe.Greeting && l.check.Mode == plan.Implicit && strings.Contains(err.Error(), "client certificate")) {
		return "asked for a client certificate, and disconnected without one", ""
	}
	if err != nil {
		return failure(err), "a handshake"
	}
	return l.compare(r, o.ServerName)
}

// compare compares what a client got with what the configuration promises. If a map
// has certificates by name, a client that sends a name may get another certificate.
func (l *listener) compare(r probe.Result, named string) (got, want string) {
	kind := r.Algorithm()
	got = agreed(r) + ", " + kind + " certificate"
	if leaf := r.Certs[0]; len(leaf.DNSNames) > 0 {
		got += " of " + leaf.DNSNames[0]
	}
	byName := named != "" && l.candidate.Config.Text(&l.service, "tls_server_sni_maps") != ""
	if promised := l.check.Serves; len(promised) > 0 && !byName && promised[kind] != r.Fingerprint() {
		return got, wantCertificate + ": " + strings.Join(slices.Sorted(maps.Keys(promised)), " and ")
	}
	if r.AsksCertificate != l.asks() {
		if r.AsksCertificate {
			return got + ", asks for a client certificate", wantUnasked
		}
		return got, wantAsked
	}
	if r.AsksCertificate {
		got += ", asks for a client certificate"
	}
	return got, ""
}

// agreed returns what was negotiated, in short: with TLS 1.3 the group says more than
// the suite.
func agreed(r probe.Result) string {
	if r.Version == "TLS 1.3" && r.Group != "" {
		return r.Version + " " + r.Group
	}
	return r.Version + " " + strings.Replace(strings.TrimPrefix(r.Suite, "TLS_"), "_WITH_", "_", 1)
}

// asks reports whether a client is asked for a certificate (postconf(5),
// smtpd_tls_ask_ccert, smtpd_tls_req_ccert).
func (l *listener) asks() bool {
	return l.candidate.Config.Bool(&l.service, "smtpd_tls_ask_ccert") || l.demands()
}

// demands reports whether a client must have a certificate: only where TLS is
// required too.
func (l *listener) demands() bool {
	if !l.candidate.Config.Bool(&l.service, "smtpd_tls_req_ccert") {
		return false
	}
	return l.mandatory()
}

// mandatory reports whether the mandatory parameters apply at this listener.
func (l *listener) mandatory() bool {
	return detect.ServerLevel(func(name string) string { return l.candidate.Config.Text(&l.service, name) }) == "encrypt"
}

// kind is a TLS 1.2 client that accepts only one type of certificate.
func (l *listener) kind(ctx context.Context, kind string) (got, want string) {
	o := probe.Options{Algorithm: kind, MinVersion: tls.VersionTLS12}
	if l.check.Serves[kind] != "" || len(l.check.Serves) == 0 {
		if len(l.check.Serves) > 0 {
			return l.meet(ctx, o)
		}
		r, err := probe.Handshake(ctx, l.target(), o)
		if err != nil {
			return failure(err), ""
		}
		return agreed(r), ""
	}
	r, err := probe.Handshake(ctx, l.target(), o)
	if err != nil {
		return "refused: there is no " + kind + " certificate", ""
	}
	if l.check.Serves[r.Algorithm()] != "" { // Ed25519 has the suites of ECDSA (RFC 8422, section 5.10)
		return l.compare(r, "")
	}
	return agreed(r) + ", " + r.Algorithm() + " certificate", wantCertificate + ", which is not " + kind
}

// old is a client that supports only TLS 1.0 and 1.1.
func (l *listener) old(ctx context.Context) (got, want string) {
	return l.below(ctx, tls.VersionTLS10, tls.VersionTLS11)
}

// below is a client that supports only versions below a minimum.
func (l *listener) below(ctx context.Context, lowest, highest uint16) (got, want string) {
	r, err := probe.Handshake(ctx, l.target(), probe.Options{MinVersion: lowest, MaxVersion: highest})
	floor, _ := postfix.ParseFloor(">="+l.check.Floor, postfix.V(3, 6, 0))
	refuse := floor == postfix.TLSv12 || floor == postfix.TLSv13
	switch {
	case err != nil && refuse:
		return "refused, as intended", ""
	case err != nil:
		return failure(err), ""
	case refuse:
		return agreed(r), wantFloor + " " + l.check.Floor
	}
	return agreed(r), ""
}

// anonymous is a client that offers only suites without a certificate.
func (l *listener) anonymous(ctx context.Context) (got, want string) {
	taken, err := probe.Anonymous(ctx, l.target(), probe.Options{})
	excluded := slices.Contains(l.check.Excludes, "aNULL")
	switch {
	case err != nil:
		return failure(err), "an answer to its ClientHello"
	case taken && excluded:
		return "accepted, without any certificate", wantExcluded + " aNULL"
	case taken:
		return "accepted, without any certificate", ""
	case excluded:
		return "refused, as intended", ""
	}
	return "refused", ""
}

// suites returns the classes of suites that must be refused, except those without a
// certificate, which have a client of their own.
func (l *listener) suites() []string {
	return slices.DeleteFunc(slices.Clone(l.check.Excludes), func(class string) bool { return class == "aNULL" || !probe.Known(class) })
}

// oldSuites is a client that offers only excluded suites. The suite that the server
// accepts shows which class is not excluded.
func (l *listener) oldSuites(ctx context.Context) (got, want string) {
	classes := l.suites()
	taken, suite, err := probe.Offer(ctx, l.target(), probe.Options{}, classes...)
	switch {
	case err != nil:
		return failure(err), "an answer to its ClientHello"
	case taken:
		in := slices.DeleteFunc(slices.Clone(classes), func(class string) bool { return !suite.In(class) })
		return "accepted, with " + suite.OpenSSL, wantExcluded + " " + strings.Join(in, ", ")
	}
	return "refused, as intended", ""
}

// aborted disconnects in the middle of a handshake, and checks that the next client
// is served.
func (l *listener) aborted(ctx context.Context) (got, want string) {
	if err := probe.Abort(ctx, l.target(), probe.Options{}); err != nil {
		return failure(err), "STARTTLS"
	}
	if got, want := l.meet(ctx, probe.Options{}); want != "" {
		return "the next client: " + got, want
	}
	return "the next client is served", ""
}

const noHandshake = "no handshake"

// failure describes how a conversation failed. What the server said is quoted.
func failure(err error) string {
	var e *probe.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	switch e.Stage {
	case probe.Connecting, probe.Greeting:
		if errors.Is(e.Err, os.ErrDeadlineExceeded) || errors.Is(e.Err, context.Canceled) {
			return "no greeting"
		}
		return fmt.Sprintf("no greeting: %v", e.Err)
	case probe.STARTTLS:
		if errors.Is(e.Err, probe.ErrNotOffered) {
			return "STARTTLS is not offered"
		}
		return fmt.Sprintf("STARTTLS is refused: %v", e.Err)
	case probe.Handshaking:
		return fmt.Sprintf("%s: %v", noHandshake, e.Err)
	}
	return fmt.Sprintf("%s: %v", e.Stage, e.Err)
}
