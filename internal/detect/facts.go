// Package detect looks at a mail server and says what it found and how it
// knows. It changes nothing, opens no connection to the server's own
// listeners, and decides nothing: what it could not see it lists as unseen.
package detect

import (
	"crypto/x509"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"postseal/certs"
	"postseal/internal/census"
	"postseal/internal/dane"
	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/lifecycle"
	"postseal/internal/postfix"
)

// Facts are what was found on one instance.
type Facts struct {
	// Config is what the two files say, with the release and its defaults.
	Config postfix.Config
	// HasMaster is false if master.cf could not be read.
	HasMaster bool
	// OpenSSL is the library in use, such as "OpenSSL 3.0.19 27 Jan 2026".
	OpenSSL string
	// Lifecycle is what is known of releases of Postfix and OpenSSL.
	Lifecycle lifecycle.List
	// MapTypes are the lookup table types that this build has (postconf -m); nil if
	// they are not known.
	MapTypes []string
	// Instances are all instances on the machine (postmulti -l).
	Instances []Instance
	// Root says whether we run as root, which reading keys and applying need.
	Root bool

	Listeners  []Listener
	Transports []Transport
	Mailboxes  []Transport // that hand mail to mailboxes by LMTP, and that something names
	Role       Role
	RoleWhy    string
	// Hostname is myhostname. Needed are the names that a certificate should
	// cover, the most important first.
	Hostname string
	Needed   []Name
	// DANE is what is published for those names, port 25. Through a resolver that does
	// not validate, the state of each is Unknown.
	DANE []dane.Host
	// Cached are earlier records that caches of senders may still have.
	Cached dane.Ledger
	// TLSA are the records that senders hold this server to, by the names at which
	// they find them (the TLSA base domains); Unproved are names with records that are
	// not signed. Doubtful are the records of names where the resolver does not
	// validate: whether they count is not known here, and other servers know. Unanswered
	// says why nothing is known of a name.
	TLSA       map[string][]certs.TLSA
	Unproved   []string
	Doubtful   map[string][]certs.TLSA
	Unanswered map[string]string

	Certificates []Certificate
	// StaleMaps are the tables of tls_server_sni_maps that are older than their files.
	StaleMaps []StaleMap
	// Sample is the fingerprint of the certificate that Debian makes for a server
	// that has none (ssl-cert), wherever that was copied to; empty if there is none.
	Sample string
	// PEM holds every certificate and key file that was looked at, by path.
	PEM map[string]PEMFile
	// Bundle is the distribution's collection of CA certificates.
	Bundle CABundle
	// CAFiles holds other collections that were looked at, by path.
	CAFiles map[string]CABundle
	// AddedCAs are those that the administrator has added to the distribution's. They
	// are only looked for if a service asks for client certificates.
	AddedCAs []*x509.Certificate

	// Policies are the entries of the policy tables for sending that could be
	// read; UnreadPolicies are the tables whose text could not be read.
	Policies       []Policy
	UnreadPolicies []string
	// Census is what the log says about TLS; nil if it was not read.
	Census *census.Census

	// PolicyTable is the table of policies that is kept here, as main.cf would name it;
	// empty if it was not built.
	PolicyTable string
	// Exceptions are those from the policies that are kept here.
	Exceptions []Exception

	Resolver Resolver
	Log      Log
	Wanted   Wanted
	Managers []Manager
	Problems []Problem
	// Access holds the files whose owner and mode were looked at.
	Access []Access
	Unseen []Unseen
	// Edited is when main.cf was changed, Reloaded since when Postfix runs with
	// what it had read; zero if that is not known.
	Edited, Reloaded time.Time
	// OpenSSLFile is our own configuration file for the TLS library, or empty.
	OpenSSLFile string
	// Last is what the last apply on this instance recorded, if any.
	Last *Last
	Now  time.Time

	memo *chainMemo
	// died is of what the programs of Postfix die when they read main.cf, or empty.
	died string
}

// Clone returns facts to which files can be added (Inspect) while the
// original is still being read. What never changes is shared.
func (f *Facts) Clone() *Facts {
	g := *f
	g.PEM, g.CAFiles = maps.Clone(f.PEM), maps.Clone(f.CAFiles)
	return &g
}

// Instance is one Postfix instance.
type Instance struct {
	Name    string `json:"name"`
	Dir     string `json:"dir"`
	Enabled bool   `json:"enabled"`
}

// Role is what kind of server this is.
type Role string

// The roles.
const (
	Router     Role = "router"     // takes mail from other servers on port 25
	Mailserver Role = "mailserver" // and from users on 587 or 465
	Sender     Role = "sender"     // only sends
)

// Name is a host name and why a certificate should cover it.
type Name struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// NeededNames are the names alone.
func (f *Facts) NeededNames() []string {
	var out []string
	for _, n := range f.Needed {
		out = append(out, n.Name)
	}
	return out
}

// Resolver is what answers the DNS questions of Postfix.
type Resolver struct {
	// Path is the resolv.conf that counts: the one in the chroot, if the
	// delivery agents run in one.
	Path    string   `json:"path"`
	Servers []string `json:"servers"`
	// Validates is Yes only if every server is on this machine and says that
	// it validated the root zone (AD, RFC 4035): Postfix believes that bit.
	Validates Tri    `json:"validates"`
	Why       string `json:"why"`
}

// Tri is a yes, a no, or that it is not known.
type Tri string

// The values of a Tri.
const (
	Yes     Tri = "yes"
	No      Tri = "no"
	Unknown Tri = "unknown"
)

// Log is where Postfix logs to.
type Log struct {
	// Path is the file, or empty. Journal is true if the journal has it.
	Path    string `json:"path"`
	Journal bool   `json:"journal"`
	Why     string `json:"why"`
}

// Manager is something else that writes the configuration.
type Manager struct {
	Name     string `json:"name"`
	Evidence string `json:"evidence"`
	// Overwrites is true if it would undo our change at its next run. Instead says where
	// to make a change that lasts, such as "in extra.cf"; empty if that is not known.
	Overwrites bool   `json:"overwrites"`
	Instead    string `json:"instead,omitempty"`

	renews, inside string // see product
	front          bool
}

// Advice says where to make a change so that it lasts.
func (m Manager) Advice() string {
	if m.Instead == "" {
		return "make it there instead"
	}
	return "make it " + m.Instead
}

// Problem is a setting that does not do what it seems to.
type Problem struct {
	Kind      ProblemKind
	Parameter string
	Origin    postfix.Origin
	Text      string
	// Fatal: Postfix, or one of its services, does not run with it.
	Fatal bool
}

// ProblemKind is what is wrong with a setting. The report card has a rule for
// each.
type ProblemKind string

// The kinds of problems.
const (
	Grammar   ProblemKind = "grammar"       // main.cf says something else than it seems to
	Swallowed ProblemKind = "swallowed"     // the line belongs to the setting before it
	Obsolete  ProblemKind = "obsolete"      // replaced, or without effect
	Unheard   ProblemKind = "unknown"       // this release has no such parameter
	Deadly    ProblemKind = "deadly"        // a service does not run with it
	TLSOff    ProblemKind = "TLS off"       // no handshake comes about
	Comment   ProblemKind = "comment"       // a comment, or nonsense, is in the value
	Ignored   ProblemKind = "ignored"       // another setting counts
	NotHere   ProblemKind = "not here"      // no service can have it for itself
	NoTable   ProblemKind = "no table"      // a lookup table does not open
	NoCache   ProblemKind = "no cache"      // a session cache does not open
	NoDANE    ProblemKind = "no DANE"       // DANE is set, and no signed answer is asked for
	InClear   ProblemKind = "in clear"      // passwords may go without TLS
	BadFile   ProblemKind = "unusable file" // of a certificate or key
	Stray     ProblemKind = "stray words"   // a program dies of arguments that were meant as a value
	NoProgram ProblemKind = "no program"    // a service's command cannot be run
	BadPolicy ProblemKind = "bad policy"    // an entry of a policy table that defers mail
	NoAnswer  ProblemKind = "no answer"     // a lookup table that is a service does not answer
	NoFolder  ProblemKind = "no folder"     // a folder of CA certificates does not exist
	NoStart   ProblemKind = "no start"      // every program of Postfix dies of main.cf
)

// ProblemKinds are all of them.
var ProblemKinds = []ProblemKind{Grammar, Swallowed, Obsolete, Unheard, Deadly, TLSOff, Comment, Ignored, NotHere, NoTable, NoCache, NoDANE, InClear, BadFile, Stray, NoProgram, BadPolicy, NoAnswer, NoFolder, NoStart}

// Unseen is something that could not be looked at.
type Unseen struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// Last is what the last apply recorded.
type Last struct {
	ID   string
	When time.Time
	// Block is the block in main.cf as it was written.
	Block []string
	// Answers are the answers of that run, by key.
	Answers map[string]string
}

// PEMFile is a file of certificates and keys, without its secrets.
type PEMFile struct {
	certs.Bundle
	// Err is why it could not be read.
	Err error
	// Relative is the path by which the configuration names the file, if that is
	// relative to queue_directory.
	Relative string
	// Table is the lookup table of whose values this is one, if it is no file.
	Table string
	// Digest is the SHA-256 of the file.
	Digest string
	// Over are the paths over which symbolic links lead to the file, the file
	// itself last; none without a link.
	Over []string
	// Exposed is how other accounts can change the file, KeyReaders which of them can
	// read a private key in it, and Unjudged why that is not known, or not all of it.
	Exposed    []host.Exposure
	KeyReaders []Weakness
	Unjudged   error
}

// Exception is a destination whose policy does not count until a date.
type Exception struct {
	Domain string
	Until  time.Time
}

// CABundle is a file of trusted CA certificates.
type CABundle struct {
	Path  string
	Certs []*x509.Certificate
	// Skipped says which certificates could not be read, and why.
	Skipped []string
	Err     error
}

// Certificate is a certificate in use, or one that could be.
type Certificate struct {
	// Chain and Key are paths; they may be the same.
	Chain string `json:"chain"`
	Key   string `json:"key"`
	// Server and Client say whether the configuration uses it in that role.
	Server bool `json:"server"`
	Client bool `json:"client"`
	// Services are the services in master.cf that name certificates of their own, and
	// this one among them.
	Services []string `json:"services,omitempty"`
	// SNI are the host names to which Table, a table of tls_server_sni_maps, assigns it.
	// One with a dot in front stands for all names below it.
	SNI   []string `json:"sni,omitempty"`
	Table string   `json:"table,omitempty"`
	// Owner is who renews it, such as "certbot", or empty. Source is the chain
	// file that the owner renews, if Chain is another, which stays behind.
	Owner  string `json:"owner,omitempty"`
	Source string `json:"source,omitempty"`
	certs.Facts
	// KeyMatch is Unknown if the key could not be read.
	KeyMatch Tri `json:"key_match"`
	// Refused is why Postfix does not load the files as the configuration names them,
	// although they hold a good certificate; empty if it does.
	Refused string `json:"refused,omitempty"`
	// CompletedBy is the CA file from which Postfix sends the issuers that
	// the file itself lacks, or empty.
	CompletedBy string `json:"completed_by,omitempty"`
	// caFile is the CA file that Postfix loads with it, or empty.
	caFile string
	// Trusted is true if a CA certificate that the distribution trusts, or that this
	// server trusts when it sends, has issued it; Exposed is how other accounts can
	// change its files, and Unjudged why that is not known, or not all of it.
	Trusted  bool            `json:"-"`
	Exposed  []host.Exposure `json:"-"`
	Unjudged error           `json:"-"`
	// Err is why it is unusable.
	Err    error          `json:"-"`
	Origin postfix.Origin `json:"origin"`
}

// OwnOrder is the Owner of a certificate that was ordered here, and is renewed by us.
const OwnOrder = "postseal"

// Ordered reports whether the certificate was ordered here.
func (c Certificate) Ordered() bool { return c.Owner == OwnOrder }

// Doubts are why a certificate is only used if a person wants it: the CA behind it, and
// accounts other than root that can change its files.
func (c Certificate) Doubts() (out []string) {
	switch {
	case c.SelfSigned:
		out = append(out, "self-signed")
	case !c.Trusted && !c.Ordered():
		out = append(out, "issued by a CA that is not trusted here")
	}
	var who []string
	for _, e := range c.Exposed {
		if w := e.Who(); !slices.Contains(who, w) {
			who = append(who, w)
		}
	}
	if len(who) > 0 {
		out = append(out, strings.Join(who, " and ")+" can change it")
	}
	return append(out, c.unjudged()...)
}

// ExposedBy is how accounts other than root can change the files of a certificate, or
// may be able to: each way once.
func (c Certificate) ExposedBy() (out []string) {
	for _, e := range c.Exposed {
		if text := e.String(); !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return append(out, c.unjudged()...)
}

// unjudged is that its permissions are not known, in words.
func (c Certificate) unjudged() []string {
	if c.Unjudged == nil {
		return nil
	}
	return []string{fmt.Sprintf("its permissions could not be checked: %v", c.Unjudged)}
}

// Fault is why it is unusable, on one line; empty if it is usable.
func (c Certificate) Fault() string {
	var texts []string
	for _, err := range hint.All(c.Err) {
		texts = append(texts, err.Error())
	}
	return strings.Join(texts, "; ")
}

// InUse reports whether the configuration names the certificate.
func (c Certificate) InUse() bool { return c.Shown() || c.Client }

// Shown reports whether a listener shows the certificate.
func (c Certificate) Shown() bool { return c.Server || len(c.Services)+len(c.SNI) > 0 }
