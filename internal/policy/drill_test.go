package policy

import (
	"strings"
	"testing"

	"postseal/internal/dane"
)

// truth is what a private Postfix does (testdata/truth.txt of package rehearse).
var truth = map[[2]string]Trial{
	{"stripped", "may"}: {true, false}, {"self-signed", "may"}: {true, true}, {"trusted", "may"}: {true, true},
	{"stripped", "encrypt"}: {}, {"self-signed", "encrypt"}: {true, true}, {"trusted", "encrypt"}: {true, true},
	{"stripped", "verify"}: {}, {"self-signed", "verify"}: {}, {"trusted", "verify"}: {true, true},
	{"stripped", "secure"}: {}, {"self-signed", "secure"}: {}, {"wrong-name", "secure"}: {},
	{"stripped", "dane"}: {true, false}, {"self-signed", "dane"}: {true, true}, {"trusted", "dane"}: {true, true}, {"dane-no-starttls", "dane"}: {}, {"dane-wrong", "dane"}: {},
}

// TestDrill: each attack is played by the right server for what the destination publishes.
func TestDrill(t *testing.T) {
	played := func(server, level string) (Trial, bool) { x, ok := truth[[2]string{server, level}]; return x, ok }
	usable := []Server{{DANE: dane.Secure, TLSA: []string{"3 1 1 " + strings.Repeat("00", 32)}}}
	for name, c := range map[string]struct {
		signed, validates   bool
		servers             []Server
		level               string
		strip, swap, direct Fate
	}{
		"nothing":                   {false, true, nil, "may", Leaked, Captured, Captured},
		"encrypted":                 {false, true, nil, "encrypt", Kept, Captured, Captured},
		"verified":                  {false, true, nil, "verify", Kept, Kept, Captured},
		"MTA-STS":                   {false, true, nil, "secure", Kept, Kept, Kept},
		"DANE":                      {true, true, usable, "dane", Kept, Kept, Kept},
		"dane without records":      {false, true, nil, "dane", Leaked, Captured, Captured},
		"dane with an unsigned MX":  {false, true, usable, "dane", Leaked, Captured, Captured},
		"signed, and may":           {true, true, nil, "may", Leaked, Captured, Kept},
		"signed, and not validated": {true, false, nil, "may", Leaked, Captured, Captured},
		"not played":                {false, true, nil, "none", Untried, Untried, Untried},
	} {
		e := Evidence{Domain: Domain{Name: "x.test", Signed: c.signed}, Servers: c.servers}
		got := Drill(e, c.level, Setting{NoLooseDANE: "not so"}, c.validates, played)
		if got[Strip] != c.strip || got[Swap] != c.swap || got[Redirect] != c.direct || len(got) != len(Attacks) {
			t.Errorf("%s: %v", name, got)
		}
	}
}
