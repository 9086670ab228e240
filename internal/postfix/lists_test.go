package postfix_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"postseal/internal/postfix"
)

func TestLists(t *testing.T) {
	for name, c := range map[string]struct {
		split func(string) []string
		value string
		want  []string
	}{
		"files":              {postfix.List, " /etc/a:b.pem,/c\n\t/d ", []string{"/etc/a:b.pem", "/c", "/d"}},
		"protocols":          {postfix.TLSList, "!SSLv2:!SSLv3, TLSv1", []string{"!SSLv2", "!SSLv3", "TLSv1"}},
		"tables":             {postfix.Tables, "hash:/a, inline:{ {x = encrypt}, {y=may} }\tcdb:/b", []string{"hash:/a", "inline:{ {x = encrypt}, {y=may} }", "cdb:/b"}},
		"a brace too many":   {postfix.Tables, "hash:/a} cdb:/b", []string{"hash:/a}", "cdb:/b"}},
		"a brace left open":  {postfix.Tables, "inline:{ {x = may}, cdb:/b", []string{"inline:{ {x = may}, cdb:/b"}},
		"nothing of a list":  {postfix.List, " ,\n", nil},
		"nothing of a table": {postfix.Tables, " ,\n", nil},
	} {
		if d := cmp.Diff(c.want, c.split(c.value)); d != "" && len(c.want)+len(c.split(c.value)) > 0 {
			t.Errorf("%s (-want +got)\n%s", name, d)
		}
	}
}
