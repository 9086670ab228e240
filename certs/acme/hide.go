package acme

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Secrets are words that no error may show. The library's errors have URLs in
// them, in which some APIs want their token, and repeat values that they could
// not read.
type Secrets struct{ forms []string }

// shortest is what can be a secret, or a part of one; to hide less would make
// errors unreadable.
const shortest = 4

// Add takes the content of a file with a secret. Of pairs ("name:token,...")
// and lines each one is a secret, as it stands there, quoted, and in a URL.
func (s *Secrets) Add(content string) {
	parts := append([]string{content}, strings.FieldsFunc(content, func(r rune) bool { return r == ',' || r == '\n' || r == '\r' })...)
	for _, p := range parts {
		p = strings.TrimSpace(p)
		_, first, _ := strings.Cut(p, ":")
		for _, word := range []string{p, strings.TrimSpace(first), strings.TrimSpace(p[strings.LastIndex(p, ":")+1:])} {
			if len(word) < shortest {
				continue
			}
			quoted := strconv.Quote(word)
			s.forms = append(s.forms, word, quoted[1:len(quoted)-1], url.QueryEscape(word), url.PathEscape(word))
		}
	}
	// The longest first: a part that is replaced would leave the rest of the whole.
	slices.SortFunc(s.forms, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	s.forms = slices.Compact(s.forms)
}

// Hide is err without the secrets. It wraps nothing that still shows them.
func (s *Secrets) Hide(err error) error {
	if s == nil || err == nil {
		return err
	}
	before := err.Error()
	text := before
	for _, f := range s.forms {
		text = strings.ReplaceAll(text, f, "[secret]")
	}
	if text == before {
		return err
	}
	return errors.New(text)
}

// String tells nothing.
func (*Secrets) String() string { return "secrets" }

// Format implements fmt.Formatter.
func (s *Secrets) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalJSON tells nothing.
func (s *Secrets) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }
