// Package plan turns facts and answers into a plan: every byte that will be
// written, with the reason for each line, what could go wrong by name, and
// what must be seen over the wire afterwards.
//
// It is a pure function: it reads nothing and writes nothing. A plan is plain
// data and holds no private key, so it can be shown, saved and compared.
package plan

import (
	"encoding/json"
	"io/fs"
	"slices"
	"unicode/utf8"
)

// Format is the version of a saved plan.
const Format = 1

// Plan is what will be done.
type Plan struct {
	Format int `json:"format"`
	// ConfigDir is the configuration directory of the instance.
	ConfigDir string `json:"config_dir"`
	// Postfix is the release that the plan is for.
	Postfix string `json:"postfix"`
	// Inputs are the files that the plan rests on, with their SHA-256; an
	// empty digest is a file that did not exist. If one has changed, the plan
	// no longer holds.
	Inputs map[string]string `json:"inputs"`
	// Files are the files that will change, in the order of writing.
	Files []File `json:"files"`
	// Changes are the parameters whose value or place changes.
	Changes []Change `json:"changes"`
	// Risks weaken what was set, or can stop mail; each must be accepted by name.
	Risks []Risk `json:"risks"`
	// Notes are worth knowing, and need no decision.
	Notes []string `json:"notes,omitempty"`
	// Checks are what must be seen on each listener afterwards.
	Checks []Check `json:"checks"`
	// Answers are the answers that led here, by key.
	Answers map[string][]string `json:"answers"`
	// Block is the block in main.cf, as it will stand there.
	Block []string `json:"block"`
}

// Kind is what a file is.
type Kind string

// The kinds of files.
const (
	MainCF   Kind = "main.cf"
	MasterCF Kind = "master.cf"
	ChainPEM Kind = "chain"   // key and certificates
	OpenSSL  Kind = "openssl" // settings of the TLS library for smtpd
	Answers  Kind = "answers" // read by postseal, not by Postfix
	// Aside is never in a plan: it is an edited file that makes room for the old one.
	Aside Kind = "aside"
)

// File is one file that will be written.
type File struct {
	Path string `json:"path"`
	Kind Kind   `json:"kind"`
	// Before and After are the contents. For a file with a private key they
	// are empty, and Assemble says what it is made of.
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
	// New is true if the file does not exist yet.
	New bool `json:"new,omitempty"`
	// Mode is for a new file; an existing one keeps its own.
	Mode fs.FileMode `json:"mode"`
	// Assemble is set for a file of key and chain.
	Assemble *Assembly `json:"assemble,omitempty"`
}

// fileJSON is a File whose contents need not be UTF-8, which JSON demands.
type fileJSON struct {
	plainFile
	BeforeBase64 []byte `json:"before_base64,omitempty"`
	AfterBase64  []byte `json:"after_base64,omitempty"`
}

type plainFile File

// MarshalJSON implements json.Marshaler.
func (f File) MarshalJSON() ([]byte, error) {
	j := fileJSON{plainFile: plainFile(f)}
	if !utf8.ValidString(f.Before) {
		j.Before, j.BeforeBase64 = "", []byte(f.Before)
	}
	if !utf8.ValidString(f.After) {
		j.After, j.AfterBase64 = "", []byte(f.After)
	}
	return json.Marshal(j)
}

// UnmarshalJSON implements json.Unmarshaler.
func (f *File) UnmarshalJSON(data []byte) error {
	var j fileJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	*f = File(j.plainFile)
	if j.BeforeBase64 != nil {
		f.Before = string(j.BeforeBase64)
	}
	if j.AfterBase64 != nil {
		f.After = string(j.AfterBase64)
	}
	return nil
}

// Assembly is a key-first chain file (postconf(5), smtpd_tls_chain_files). The
// key is read only when the file is written.
type Assembly struct {
	// From are the files that hold the key and the certificates.
	From []string `json:"from"`
	// Fingerprint is the SHA-256 of the leaf.
	Fingerprint string `json:"fingerprint"`
	// PEM are the certificates, leaf first; empty if they could not be read by
	// who made the plan. Contents says the same in words.
	PEM      string   `json:"pem"`
	Contents []string `json:"contents"`
	// Unproved is true if the key could not be read by who made the plan.
	Unproved bool `json:"unproved,omitempty"`
}

// Change is one parameter whose value changes, or whose line moves or goes.
type Change struct {
	Parameter string `json:"parameter"`
	// Service is the master.cf service, or empty for main.cf.
	Service string `json:"service,omitempty"`
	// Before is the value that counted, the default if Present is false.
	// After is the new one, and empty if the line goes and Kept is false.
	Before  string `json:"before"`
	Present bool   `json:"present"`
	After   string `json:"after"`
	Kept    bool   `json:"kept"`
	Why     string `json:"why"`
	Source  string `json:"source"`
	// Line is the number of the line before, from 1, or 0.
	Line int `json:"line,omitempty"`
}

// Risk is a consequence that must be accepted by name.
type Risk struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// Mode is how a listener must answer.
type Mode string

// The modes.
const (
	GreetOnly Mode = "greeting" // TLS is off there on purpose
	STARTTLS  Mode = "STARTTLS"
	Implicit  Mode = "implicit TLS"
)

// Check is what must be seen on one listener.
type Check struct {
	// Service is the master.cf entry, Addr where to reach it.
	Service string `json:"service"`
	Addr    string `json:"addr"`
	Mode    Mode   `json:"mode"`
	// Proxy is true if a PROXY protocol line must come first.
	Proxy bool `json:"proxy,omitempty"`
	// New is true for a listener that is not there yet.
	New bool `json:"new,omitempty"`
	// Floor is the oldest TLS version that it may accept.
	Floor string `json:"floor,omitempty"`
	// Excludes are the classes of suites that it must not take (postconf(5),
	// smtpd_tls_exclude_ciphers).
	Excludes []string `json:"excludes,omitempty"`
	// Serves maps "RSA", "ECDSA" or "Ed25519" to the SHA-256 of the leaf that
	// must be served; empty if it is not known.
	Serves map[string]string `json:"serves,omitempty"`
}

// Empty reports whether there is nothing to do.
func (p *Plan) Empty() bool { return len(p.Files) == 0 }

// Reload reports whether Postfix must read its configuration again.
func (p *Plan) Reload() bool {
	return slices.ContainsFunc(p.Files, func(f File) bool { return f.Kind != Answers })
}

// File finds the file of a kind.
func (p *Plan) File(k Kind) (File, bool) {
	i := slices.IndexFunc(p.Files, func(f File) bool { return f.Kind == k })
	if i < 0 {
		return File{}, false
	}
	return p.Files[i], true
}

// Unaccepted returns the risks that are not among the accepted names.
func (p *Plan) Unaccepted(accepted []string) []Risk {
	return slices.DeleteFunc(slices.Clone(p.Risks), func(r Risk) bool { return slices.Contains(accepted, r.Name) })
}

// RiskNames returns all names of risks, for help and completion.
var RiskNames = []string{
	RiskLowerInboundFloor, RiskDropTLS10, RiskTLS13Only, RiskRequireInbound, RiskLowerInbound,
	RiskRequireSubmission, RiskPasswordInClear, RiskRequireOutbound, RiskLowerOutbound, RiskNoCAFile,
	RiskDropClientCertificate, RiskChangeClientCertificate, RiskDropCertificate, RiskDropRSA, RiskWrongName, RiskIncompleteChain,
	RiskSelfSigned, RiskBreakDANE, RiskUnprovedDANE, RiskDANEGap, RiskAllowCiphers, RiskRequireAuthTLS, RiskDropOldCiphers, RiskRaiseOutboundFloor,
	RiskNoCertificate, RiskNoInboundTLS, RiskRequireClientCertificate, RiskDropTLS13, RiskStopOutbound, RiskLowerOutboundFloor, RiskWiderTrust, RiskDropTrust, RiskDropPolicies, RiskReplaceHandEdits, RiskManagedElsewhere, RiskNoTLSLog, RiskStaleCopy, RiskExposedCertificate,
	RiskFailedRehearsal, RiskUnrehearsed, RiskUnproved,
}

// The names of the risks.
const (
	RiskLowerInboundFloor     = "lower-inbound-floor"
	RiskDropTLS10             = "drop-tls10"
	RiskTLS13Only             = "tls13-only"
	RiskRequireInbound        = "require-inbound-tls"
	RiskLowerInbound          = "lower-inbound-level"
	RiskRequireSubmission     = "require-submission-tls"
	RiskPasswordInClear       = "password-in-clear"
	RiskRequireOutbound       = "require-outbound-tls"
	RiskLowerOutbound         = "lower-outbound-level"
	RiskNoCAFile              = "no-ca-file"
	RiskDropClientCertificate = "drop-client-certificate"
	// RiskChangeClientCertificate is the risk of a reference to the server's certificate.
	RiskChangeClientCertificate = "change-client-certificate"
	RiskDropCertificate         = "drop-certificate"
	RiskDropRSA                 = "drop-rsa"
	RiskWrongName               = "wrong-name-certificate"
	RiskIncompleteChain         = "incomplete-chain"
	RiskSelfSigned              = "self-signed-certificate"
	RiskBreakDANE               = "break-dane"
	RiskUnprovedDANE            = "unproved-dane"
	// RiskDANEGap is the risk of a key whose record senders may not have yet.
	RiskDANEGap            = "dane-gap"
	RiskAllowCiphers       = "allow-excluded-ciphers"
	RiskReplaceHandEdits   = "replace-hand-edits"
	RiskManagedElsewhere   = "managed-elsewhere"
	RiskNoTLSLog           = "no-tls-log"
	RiskRequireAuthTLS     = "require-auth-tls"
	RiskDropOldCiphers     = "drop-old-ciphers"
	RiskRaiseOutboundFloor = "raise-outbound-floor"
	RiskStaleCopy          = "stale-copy"
	RiskNoCertificate      = "no-certificate"
	RiskNoInboundTLS       = "no-inbound-tls"
	RiskDropTLS13          = "drop-tls13"
	RiskStopOutbound       = "stop-outbound"
	RiskLowerOutboundFloor = "lower-outbound-floor"
	RiskWiderTrust         = "wider-trust"
	RiskDropTrust          = "drop-trust"
	// RiskDropPolicies is the risk of a table that Postfix no longer reads.
	RiskDropPolicies = "drop-policies"
	// RiskRequireClientCertificate is the risk of a listener.
	RiskRequireClientCertificate = "require-client-certificate"
	RiskExposedCertificate       = "exposed-certificate"
	// RiskFailedRehearsal is never in a plan: a rehearsal finds it.
	RiskFailedRehearsal = "failed-rehearsal"
	// RiskUnrehearsed is not in a plan either: the rehearsal, or half of it, was not
	// possible.
	RiskUnrehearsed = "unrehearsed"
	// RiskUnproved is known only after a run: a listener or program that could not be
	// verified.
	RiskUnproved = "unproved"
)
