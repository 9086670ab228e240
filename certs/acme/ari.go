package acme

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/go-acme/lego/v4/certificate"
)

// Window is when a CA wants a certificate renewed (RFC 9773).
type Window struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
	// Explanation is an address with the reason, if the CA has one.
	Explanation string `json:"explanation,omitempty"`
	// RetryAfter is how long to wait before asking again.
	RetryAfter time.Duration `json:"-"`
}

// ErrNoRenewalInfo means that the CA does not say when to renew, or says it so that it
// cannot be used. certs.DueByLifetime decides then.
var ErrNoRenewalInfo = errors.New("the CA does not say when to renew")

// RenewalInfo asks the CA when to renew a certificate. An answer that makes no
// sense is ErrNoRenewalInfo, and never "at once".
func (c *Client) RenewalInfo(ctx context.Context, m Meta, cert *x509.Certificate) (Window, error) {
	if m.RenewalInfo == "" {
		return Window{}, ErrNoRenewalInfo
	}
	id, err := certificate.MakeARICertID(cert)
	if err != nil {
		return Window{}, fmt.Errorf("%w: %w", ErrNoRenewalInfo, err)
	}
	var a struct {
		Window      Window `json:"suggestedWindow"`
		Explanation string `json:"explanationURL"`
	}
	header, err := c.getJSON(ctx, strings.TrimSuffix(m.RenewalInfo, "/")+"/"+id, &a)
	if err != nil {
		if ctx.Err() != nil {
			return Window{}, ctx.Err()
		}
		return Window{}, fmt.Errorf("%w: %w", ErrNoRenewalInfo, err)
	}
	w := a.Window
	w.Explanation = a.Explanation
	// A CA must not make us ask all the time, nor never again (RFC 9773,
	// section 4.3.2: between one minute and one day). Six hours if it names
	// no time (section 4.3.3).
	w.RetryAfter = 6 * time.Hour
	if wait := retryAfter(header.Get("Retry-After"), time.Now()); wait > 0 {
		w.RetryAfter = min(max(wait, time.Minute), 24*time.Hour)
	}
	// A window after the end of the certificate would have it expire first.
	if w.Start.IsZero() || !w.End.After(w.Start) || w.End.Before(cert.NotBefore) || w.End.After(cert.NotAfter) {
		return Window{}, fmt.Errorf("%w: its window is from %s to %s", ErrNoRenewalInfo, w.Start, w.End)
	}
	return w, nil
}

// Moment draws one moment of the window. It must be stored: a new one each
// time would always fall before the end (RFC 9773, section 4.2).
func (w Window) Moment() time.Time {
	if !w.End.After(w.Start) {
		return w.Start
	}
	return w.Start.Add(time.Duration(rand.Int64N(int64(w.End.Sub(w.Start)))))
}
