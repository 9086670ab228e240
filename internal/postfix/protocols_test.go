package postfix_test

import (
	"testing"

	"postseal/internal/postfix"
)

func TestFloor(t *testing.T) {
	v35, v37 := postfix.V(3, 5, 25), postfix.V(3, 7, 11)
	for _, c := range []struct {
		list    string
		v       postfix.Version
		want    postfix.Protocol
		refused bool
	}{
		{"", v37, postfix.TLSv1, false},
		{">=TLSv1.2", v37, postfix.TLSv12, false},
		{">=tlsv1.2, <=TLSv1.3", v37, postfix.TLSv12, false},
		{">=0303", v37, postfix.TLSv12, false},
		{">=TLSv1.2", v35, "", true},
		{"!SSLv2,!SSLv3:!TLSv1 !TLSv1.1", v35, postfix.TLSv12, false},
		{"!SSLv2, !SSLv3", v35, postfix.TLSv1, false},
		{"TLSv1.2, TLSv1.3", v37, postfix.TLSv12, false},
		{"TLSv1.2", v35, postfix.TLSv12, false},
		{">= TLSv1.2", v37, "", true}, // no blank after the operator
		{">=TLS1.2", v37, "", true},
		{"!TLSv1, !TLSv1.1, !TLSv1.2, !TLSv1.3", v37, "", true},
	} {
		got, err := postfix.ParseFloor(c.list, c.v)
		if got != c.want || (err != nil) != c.refused {
			t.Errorf("%q in %s: %q, %v", c.list, c.v, got, err)
		}
	}
}

func TestFormatFloorIsReadBack(t *testing.T) {
	for _, v := range []postfix.Version{{}, postfix.V(3, 4, 0), postfix.V(3, 5, 25), postfix.V(3, 6, 0), postfix.V(3, 12, 0)} {
		for _, p := range postfix.Protocols[2:] {
			text := postfix.FormatFloor(p, v)
			if got, err := postfix.ParseFloor(text, v); err != nil || got != p {
				t.Errorf("%s for %s is %q, read as %q, %v", p, v, text, got, err)
			}
		}
	}
}
