package posture

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"postseal/internal/postfix"
	"postseal/internal/probe"
)

// Suites is the list of suites of TLS 1.2 and older that Postfix hands to OpenSSL
// (tls_set_ciphers in tls_misc.c).
type Suites struct {
	// Grade is such as "medium", in small letters, and set at Origin; List is the
	// grade's list in the language of openssl-ciphers(1).
	Grade  string
	List   string
	Origin postfix.Origin
	// Excluded are the classes and names that are taken out, and ExcludedAt is where a
	// parameter says so, the last one that is set.
	Excluded   []string
	ExcludedAt postfix.Origin
	// Bad is why no handshake comes about with it, or empty.
	Bad string
	// ShortTags says where suites with short authentication tags (AESCCM8) belong.
	ShortTags ShortTags
}

// ShortTags is what OpenSSL makes of suites with short authentication tags: since 3.2 they
// have security level 0 and are no longer in HIGH (CHANGES.md).
type ShortTags int

// The values of ShortTags.
const (
	InHigh   ShortTags = iota
	InMedium           // at security level 0
	Refused            // at security level 1, which Postfix asks for where it authenticates the peer
)

// shortTags returns what the library makes of suites with short authentication tags, where
// Postfix authenticates the peer or not.
func (m model) shortTags(authenticates bool) ShortTags {
	switch {
	case !m.f.OpenSSLAtLeast(3, 2):
		return InHigh
	case authenticates:
		return Refused
	}
	return InMedium
}

// suites is the list of a grade.
func (m model) suites(p settings, grade postfix.Value, authenticates bool) Suites {
	out := Suites{Grade: strings.ToLower(grade.Text), Origin: grade.Origin, ShortTags: m.shortTags(authenticates)}
	switch out.Grade {
	case "high", "medium", "null":
	case "low", "export":
		if m.c.Version.AtLeast(postfix.V(3, 8, 0)) { // tls_cipher_grade_table in tls_misc.c
			out.Grade = "medium"
		}
	default:
		out.Bad = fmt.Sprintf("unknown cipher grade %.60q", grade.Text)
		return out
	}
	out.List = cmp.Or(p.text("tls_"+out.Grade+"_cipherlist"), builtIn[out.Grade])
	return out
}

// builtIn are the lists of the grades where postconf could not be asked for them. Later
// releases exclude more classes, of which the OpenSSL of today has no suites
// (DEF_TLS_HIGH_CLIST and others in mail_params.h).
var builtIn = map[string]string{
	"high": "aNULL:-aNULL:HIGH:@STRENGTH", "medium": "aNULL:-aNULL:HIGH:MEDIUM:+RC4:@STRENGTH",
	"low": "aNULL:-aNULL:HIGH:MEDIUM:LOW:+RC4:@STRENGTH", "export": "aNULL:-aNULL:HIGH:MEDIUM:LOW:EXPORT:+RC4:@STRENGTH",
	"null": "eNULL:!aNULL",
}

func (s *Suites) exclude(v postfix.Value) {
	if v.Origin.File != "" {
		s.ExcludedAt = v.Origin
	}
	for _, word := range postfix.TLSList(v.Text) {
		if strings.ContainsAny(word[:1], "!+-@") {
			s.Bad = fmt.Sprintf("%.60q cannot be excluded", word)
		}
		s.Excluded = append(s.Excluded, word)
	}
}

// Expression is the whole list, as OpenSSL gets it.
func (s Suites) Expression() string {
	out := s.List
	for _, word := range s.Excluded {
		out += ":!" + word
	}
	return out
}

// Left returns the suites that the list leaves for certificates of some algorithms. known
// is false if the list uses words of OpenSSL's language that are not worked out here.
// Suites that no current OpenSSL has are left out.
func (s Suites) Left(algorithms ...string) (out []probe.Suite, known bool) {
	on, killed := map[uint16]bool{}, map[uint16]bool{}
	words := strings.Split(s.List, ":")
	for _, word := range s.Excluded {
		words = append(words, "!"+word)
	}
	for _, word := range words {
		class := strings.TrimLeft(word, "!-+")
		switch {
		case class == "" || strings.HasPrefix(class, "@") || strings.HasPrefix(word, "+"): // the order of suites
			continue
		case !slices.Contains(all, class) && !understood(class):
			return nil, false
		}
		for _, suite := range probe.Strong() {
			if !s.stands(class, suite) {
				continue
			}
			on[suite.ID] = word == class && !killed[suite.ID]
			killed[suite.ID] = killed[suite.ID] || strings.HasPrefix(word, "!")
		}
	}
	for _, suite := range probe.Strong() {
		if s.ShortTags == Refused && suite.In("AESCCM8") {
			continue
		}
		if on[suite.ID] && (suite.Anonymous() || fits(suite, algorithms)) {
			out = append(out, suite)
		}
	}
	return out, true
}

// all are words for all suites that OpenSSL still has, but for what ShortTags says of HIGH.
var all = []string{"HIGH", "ALL"}

// stands reports whether a class stands for a suite, among others.
func (s Suites) stands(class string, suite probe.Suite) bool {
	switch short := s.ShortTags != InHigh && suite.In("AESCCM8"); class {
	case "HIGH":
		return !short
	case "MEDIUM":
		return short
	case "ALL":
		return true
	}
	return suite.In(class)
}

// understood reports whether it is known which suites a word stands for. One with a hyphen
// is the name of a suite, and OpenSSL ignores those that it does not have.
func understood(word string) bool {
	for part := range strings.SplitSeq(word, "+") {
		if !probe.Known(part) && !slices.Contains(gone, part) && !strings.Contains(part, "-") {
			return false
		}
	}
	return true
}

// bear takes out the versions that no suite is left for: those before TLS 1.2 have only
// suites with SHA-1. TLS 1.3 has suites of its own, and takes a certificate.
func (s Suites) bear(versions []postfix.Protocol, algorithms ...string) []postfix.Protocol {
	left, known := s.Left(algorithms...)
	if !known {
		return versions
	}
	old := slices.ContainsFunc(left, func(s probe.Suite) bool { return s.In("SHA1") })
	return slices.DeleteFunc(slices.Clone(versions), func(p postfix.Protocol) bool {
		if p == postfix.TLSv13 {
			return len(algorithms) == 0
		}
		return len(left) == 0 || p.Below(postfix.TLSv12) && !old
	})
}

// gone are classes of which OpenSSL has had nothing since 1.1.0, as it is built by
// default (CHANGES.md).
var gone = []string{"eNULL", "NULL", "EXPORT", "EXP", "LOW", "MEDIUM", "DES", "3DES", "RC4", "RC5", "MD5", "RC2", "SEED", "IDEA", "PSK", "kPSK", "aPSK", "kRSAPSK", "kDHEPSK", "kECDHEPSK", "SRP", "kSRP", "aSRP", "DSS", "aDSS", "kDH", "aDH", "kDHr", "kDHd", "kECDH", "aECDH", "kECDHr", "kECDHe", "KRB5", "kGOST", "aGOST"}

// fits reports whether a suite can be used with a certificate of one of the algorithms.
func fits(s probe.Suite, algorithms []string) bool {
	return slices.ContainsFunc(algorithms, func(a string) bool {
		if a == "Ed25519" {
			a = "ECDSA"
		}
		return strings.Contains(s.Name, "_"+a+"_")
	})
}
