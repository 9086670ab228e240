package publish

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"postseal/internal/domain"
	"postseal/internal/resolve"
)

// Mail is what is seen of a domain whose mail this server accepts.
type Mail struct {
	Name string
	// MX are its mail servers.
	MX []string
	// STS and Reports are what each name server of the zone answers for the TXT records of
	// MTA-STS (RFC 8461, section 3.1) and of TLSRPT (RFC 8460, section 3).
	STS, Reports resolve.View
	// Policy is what the web server of the domain serves now; nil if that is no policy, and
	// Problem says why. Unseen reports whether the web server did not answer, which may be
	// due to this machine.
	Policy  *domain.Policy
	Problem string
	Unseen  bool
	// ReportTo is the address for reports.
	ReportTo string
	Now      time.Time
}

const (
	// testingAge and enforceAge are for how many seconds senders keep a policy: a week while
	// a mistake is likely, and then a month (RFC 8461, section 3.2, suggests weeks).
	testingAge, enforceAge = 7 * 24 * 3600, 30 * 24 * 3600
	// trial is for how long a policy should be in mode testing: senders report once a day.
	trial = 14 * 24 * time.Hour
)

// PolicyURL is where senders fetch the MTA-STS policy of a domain (RFC 8461, section 3.3).
func PolicyURL(name string) string { return "https://mta-sts." + name + "/.well-known/mta-sts.txt" }

// Steps are what is to be published for the domain, in the order in which it is safe: a
// policy is served before its record says that there is one, and it is in mode testing
// before it is enforced.
func (in Mail) Steps() []Step {
	return slices.Concat(in.reportSteps(), in.policySteps())
}

func (in Mail) reportSteps() []Step {
	owner := "_smtp._tls." + in.Name
	seen := textsOf(in.Reports, "v=TLSRPTv1")
	if seen.unsettled() {
		return nil
	}
	if i := slices.IndexFunc(seen.values, func(text string) bool { return reports(text) == nil }); i >= 0 { // it stays
		var out []Step
		for _, other := range slices.Delete(slices.Clone(seen.written), i, i+1) {
			out = append(out, Step{Action: Remove, Owner: owner, Type: "TXT", Record: other, Due: true, Why: "senders ignore several records"})
		}
		return out
	}
	return replace(owner, seen.written, "v=TLSRPTv1; rua=mailto:"+in.ReportTo, true, "senders report TLS failures to this address once a day")
}

// reports returns why a TLSRPT record cannot be used.
func reports(text string) error {
	_, err := domain.ParseReports(text)
	return err
}

func (in Mail) policySteps() []Step {
	seen := textsOf(in.STS, "v=STSv1")
	if seen.unsettled() || in.Unseen || len(in.MX) == 0 {
		return nil
	}
	owner, id := "_mta-sts."+in.Name, ""
	if len(seen.values) == 1 {
		id, _ = domain.ParseSTSRecord(seen.values[0])
	}
	announce := func(due bool, why string) []Step {
		return replace(owner, seen.written, "v=STSv1; id="+in.Now.UTC().Format("20060102150405")+";", due, why)
	}
	const afterwards = "once the new policy is served: the new id tells senders to fetch it"
	switch {
	case in.Policy == nil && id == "":
		return append([]Step{in.serve(domain.Testing, testingAge, time.Time{}, "in mode testing, senders report failures and deliver all the same")},
			announce(false, "once the policy is served: without the record, senders do not look for it")...)
	case in.Policy == nil:
		return []Step{in.serve(domain.Testing, testingAge, time.Time{}, "the record promises a policy, and senders find none that they can use: "+in.Problem)}
	case in.Policy.Mode == domain.Off:
		return nil
	case len(in.unlisted()) > 0:
		return append([]Step{in.serve(in.Policy.Mode, cmp.Or(in.Policy.MaxAge, testingAge), time.Time{}, "it must list every mail server of the domain: "+strings.Join(in.unlisted(), ", "))}, announce(false, afterwards)...)
	case id == "":
		return announce(true, "the policy is served, and without the record senders do not look for it")
	case in.Policy.Mode == domain.Testing:
		return append([]Step{in.serve(domain.Enforce, enforceAge, in.enforceable(id), "if the reports show no failures: senders then deliver only over TLS with a valid certificate; postseal probe --mx "+in.Name+" checks that every server has one")}, announce(false, afterwards)...)
	}
	return nil
}

// unlisted are the mail servers that the policy does not name: senders would not deliver
// to them.
func (in Mail) unlisted() []string {
	return slices.DeleteFunc(slices.Clone(in.MX), in.Policy.Names)
}

// serve is the step that puts a policy on the web server; it is due at a time.
func (in Mail) serve(mode string, age int, at time.Time, why string) Step {
	text := "version: STSv1\nmode: " + mode + "\n"
	for _, mx := range slices.Sorted(slices.Values(in.MX)) {
		text += "mx: " + mx + "\n"
	}
	return Step{Action: Serve, Owner: "mta-sts." + in.Name, Record: text + "max_age: " + strconv.Itoa(age) + "\n", NotBefore: at, Due: !in.Now.Before(at), Why: why}
}

// enforceable is when a policy has been in mode testing for long enough, as its id tells if
// it is a date; else there is nothing to wait for but the administrator.
func (in Mail) enforceable(id string) time.Time {
	if len(id) < 8 {
		return time.Time{}
	}
	since, err := time.Parse("20060102", id[:8])
	if err != nil || since.After(in.Now) {
		return time.Time{}
	}
	return since.Add(trial)
}

// Findings says what is wrong with what is published, apart from what is missing.
func (in Mail) Findings() (out []Finding) {
	for _, x := range []struct {
		owner, version string
		view           resolve.View
		check          func(string) error
	}{
		{"_smtp._tls." + in.Name, "v=TLSRPTv1", in.Reports, reports},
		{"_mta-sts." + in.Name, "v=STSv1", in.STS, func(text string) error { _, err := domain.ParseSTSRecord(text); return err }},
	} {
		seen := textsOf(x.view, x.version)
		say := func(text, hint string) { out = append(out, Finding{Owner: x.owner, Text: text, Hint: hint}) }
		if seen.unknown != "" {
			out = append(out, Finding{x.owner, "its TXT records are unknown: " + seen.unknown, "check that the name servers of the zone answer", true})
			continue
		}
		for _, name := range seen.behind {
			say("its name servers do not have the same records: "+name+" differs", "wait until it has received the zone; if it does not, check the zone transfer")
		}
		switch {
		case len(seen.values) > 1:
			say("there are several TXT records that begin with "+x.version+", so senders ignore them", "keep one")
		case len(seen.values) == 1:
			if err := x.check(seen.values[0]); err != nil {
				say(err.Error(), "replace it as shown below")
			}
		}
	}
	if in.Policy != nil && in.Policy.Mode == domain.Enforce {
		for _, mx := range in.unlisted() {
			out = append(out, Finding{
				Owner: "mta-sts." + in.Name, Text: "the policy does not list the mail server " + mx + ": senders with MTA-STS do not deliver to it",
				Hint: "serve the policy below, and then change the id in the TXT record",
			})
		}
	}
	return out
}

// texts are the TXT records of one version at a name.
type texts struct {
	values []string
	// written are the same as the zone has them: what is removed must be the same strings.
	written []string
	// behind are the name servers that answer otherwise than the first one.
	behind []string
	// unknown is why nothing is known of them.
	unknown string
}

// unsettled reports whether it is too early to change them.
func (t texts) unsettled() bool { return t.unknown != "" || len(t.behind) > 0 }

// textsOf reads the answers of all name servers.
func textsOf(v resolve.View, version string) (out texts) {
	if v.Unknown != nil {
		return texts{unknown: v.Unknown.Text}
	}
	answered := false
	for _, s := range v.Servers {
		var values, written []string
		switch a := s.Answer.(type) {
		case resolve.Unknown:
			if out.unknown == "" {
				out.unknown = s.Name + ": " + a.Text
			}
			continue
		case resolve.Records:
			for _, one := range slices.Sorted(slices.Values(a.Values)) {
				if text := domain.Texts([]string{one}, version); len(text) > 0 {
					values, written = append(values, text[0]), append(written, one)
				}
			}
		}
		switch {
		case !answered:
			out.values, out.written, answered = values, written, true
		case !slices.Equal(values, out.values):
			out.behind = append(out.behind, s.Name)
		}
	}
	if answered {
		out.unknown = "" // some name server said it
	}
	return out
}

// replace removes TXT records, as they are written, and adds one in their place.
func replace(owner string, old []string, text string, due bool, why string) (out []Step) {
	for _, one := range old {
		out = append(out, Step{Action: Remove, Owner: owner, Type: "TXT", Record: one, Due: due, Why: "it is replaced"})
	}
	return append(out, Step{Action: Add, Owner: owner, Type: "TXT", Record: quote(text), TTL: newTTL, Due: due, Why: why})
}

// quote writes a text as the data of a TXT record: strings of at most 255 bytes (RFC 1035,
// sections 3.3.14 and 5.1).
func quote(text string) string {
	var parts []string
	for part := range slices.Chunk([]byte(text), 255) {
		var b strings.Builder
		for _, c := range part {
			switch {
			case c == '"' || c == '\\':
				b.WriteByte('\\')
				b.WriteByte(c)
			case c < ' ' || c > '~':
				fmt.Fprintf(&b, "\\%03d", c)
			default:
				b.WriteByte(c)
			}
		}
		parts = append(parts, `"`+b.String()+`"`)
	}
	return strings.Join(parts, " ")
}
