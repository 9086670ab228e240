package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"postseal/certs/acme"
	"postseal/internal/apply"
	"postseal/internal/detect"
	"postseal/internal/hint"
	"postseal/internal/lineage"
	"postseal/internal/report"
	"postseal/internal/session"
)

// caList is where an administrator can keep a list of CAs of his own.
const caList = "/etc/postseal/cas.json"

// obtainFlags are the flags of cert obtain.
type obtainFlags struct {
	server, email, challenge, httpListen, tlsListen, webroot string
	caFile, profile, keyType, eabKID, eabHMACFile            string
	dnsProgram, dnsServer, dnsZone, tsigKey, tsigAlgorithm   string
	tsigSecretFile                                           string
	names                                                    []string
	staging, accept, bothUses, noRehearsal, listProfiles     bool
}

func (a *app) certObtainCmd() *cobra.Command {
	var o obtainFlags
	cmd := &cobra.Command{
		Use:   "obtain",
		Short: "Get a certificate from a CA by ACME, and put it where Postfix reads it",
		Long: `obtain orders a certificate for this server's names (myhostname and what its MX records name, or --name), proves
them to the CA, tries the result on a private Postfix, and puts key and chain into one file under the folder of
certificates. If Postfix shows that file already, the new one is proved by a handshake, or everything goes back.

Where the CA has a place for trying things out, the whole way is walked there first: mistakes cost nothing.
` + knownCAs(acme.Known()),
		Args: usageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error { return a.certObtain(o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.server, "server", "letsencrypt", "the CA: a short `name`, or the https address of its directory")
	f.BoolVar(&o.staging, "staging", false, "get it from the CA's place for trying things out; nobody trusts it")
	f.BoolVar(&o.noRehearsal, "no-rehearsal", false, "do not try it at the CA's staging place first")
	f.StringVar(&o.caFile, "acme-ca-file", "", "`file` with the root of a CA of your own, for the connection to it")
	f.BoolVar(&o.accept, "accept-terms", false, "you have read the CA's terms of service and accept them")
	f.StringVar(&o.email, "email", "", "`address` for messages of the CA; not needed")
	f.StringArrayVar(&o.names, "name", nil, "a host `name` for the certificate; may be repeated (default: this server's names)")
	f.StringVar(&o.challenge, "challenge", "http-01", "how to prove the names: "+strings.Join(append(slices.Clone(lineage.Challenges), lineage.ByHand), ", "))
	f.StringVar(&o.httpListen, "http-listen", ":80", "`address` to answer on, for http-01")
	f.StringVar(&o.tlsListen, "tls-listen", ":443", "`address` to answer on, for tls-alpn-01")
	f.StringVar(&o.webroot, "webroot", "", "`directory` that a web server here shows as /, for webroot")
	f.StringVar(&o.dnsProgram, "dns-program", "", "`program` that is called with present or cleanup, name and value, for dns-exec")
	f.StringVar(&o.dnsServer, "dns-server", "", "`host:port` that takes DNS updates, for dns-rfc2136")
	f.StringVar(&o.dnsZone, "dns-zone", "", "the `zone` to change (default: asked of the server)")
	f.StringVar(&o.tsigKey, "tsig-key", "", "`name` of the TSIG key")
	f.StringVar(&o.tsigAlgorithm, "tsig-algorithm", "hmac-sha256", "its `algorithm`")
	f.StringVar(&o.tsigSecretFile, "tsig-secret-file", "", "`file` with its secret in base64")
	f.StringVar(&o.profile, "acme-profile", "", "one of the CA's `profiles`")
	f.BoolVar(&o.listProfiles, "list-profiles", false, "show the CA's profiles and terms, and do nothing")
	f.StringVar(&o.keyType, "key-type", "P256", "kinds of keys, one certificate for each: "+strings.Join(acme.KeyTypes, ", ")+"; separated by commas")
	f.BoolVar(&o.bothUses, "both-uses", false, "ask for server and client use; only CAs of your own give it")
	f.StringVar(&o.eabKID, "eab-kid", "", "key `ID` of an account at the CA")
	f.StringVar(&o.eabHMACFile, "eab-hmac-file", "", "`file` with the key to it, in base64url")
	return cmd
}

// knownCAs is the part of the help about CAs.
func knownCAs(all acme.CAs) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\nKnown CAs, as of %s (your own list: %s):\n", all.AsOf, caList)
	for _, c := range all.List {
		fmt.Fprintf(&b, "  %-12s %s: %s\n", c.Name, c.Title, c.Note)
	}
	return b.String()
}

// cas is the administrator's list of CAs, or the one that came with us.
func (a *app) cas() (acme.CAs, error) {
	data, err := a.machine.ReadFile(caList)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return acme.Known(), nil
	}
	if err != nil {
		return acme.CAs{}, err
	}
	c, err := acme.ReadCAs(data)
	if err != nil {
		return c, hint.Wrap(fmt.Errorf("%s: %w", caList, err), "mend it, or move it away")
	}
	return c, nil
}

func (a *app) certObtain(o obtainFlags) error {
	all, err := a.cas()
	if err != nil {
		return err
	}
	ca, err := all.Find(o.server, o.staging)
	if err != nil {
		return usageError{err}
	}
	if o.bothUses && !ca.Both(a.machine.Now()) && !strings.HasPrefix(o.server, "https://") {
		return usageError{hint.New(ca.Title+" does not sign for both uses: "+ca.Note+" (as of "+all.AsOf+")", "choose a CA of your own, or do without a client certificate: hardly any server asks for one")}
	}
	s, err := a.open()
	if err != nil && (s == nil || !errors.Is(err, session.ErrAnswers)) {
		return err
	}
	l, err := o.lineage(s.Facts, ca)
	if err != nil {
		return usageError{err}
	}
	k := a.keeper(s)
	if o.listProfiles {
		return a.showCA(k, l, ca)
	}
	if !s.Facts.Root {
		return hint.New("keys are kept where only root can read them", "run it as root: sudo postseal cert obtain ...")
	}
	terms := lineage.Terms{Accept: o.accept}
	if o.eabKID != "" || o.eabHMACFile != "" {
		mac, err := a.machine.ReadFile(o.eabHMACFile)
		if err != nil {
			return hint.Wrap(fmt.Errorf("reading the key for --eab-kid: %w", err), "--eab-hmac-file names a file with it")
		}
		terms.EAB = &acme.EAB{KID: o.eabKID, HMAC: strings.TrimSpace(string(mac))}
	}
	if o.challenge == lineage.ByHand {
		if !a.onTerminal() {
			return usageError{hint.New("a record made by hand needs a terminal", "run it on one, or choose another --challenge")}
		}
		k.ByHand = &acme.Manual{Done: a.enters()}
	}
	say := func(text string) {
		if !a.json {
			fmt.Fprintln(a.out, text)
		}
	}
	if ca.Staging != "" && !o.staging && !o.noRehearsal {
		say("Trying it at the CA's staging place first.")
		if err := k.Rehearse(a.ctx, l, ca.Staging, terms); err != nil {
			return err
		}
	}
	say("Ordering from " + ca.Title + ".")
	if err := k.Obtain(a.ctx, l, terms); err != nil {
		return err
	}
	var files []string
	for _, name := range slices.Sorted(maps.Keys(l.Issued)) {
		files = append(files, k.Path(l, name))
	}
	if a.json {
		return a.printer(a.out).JSON(map[string]any{"name": l.Name, "files": files, "issued": l.Issued})
	}
	words := []string{"postseal", "apply"}
	for _, f := range files {
		words = append(words, "--cert", f)
	}
	fmt.Fprintf(a.out, "\nIn place: %s\n", report.Clean(strings.Join(files, ", ")))
	fmt.Fprintf(a.out, "Shown by Postfix after: %s\nRenewed by: postseal cert renew, from a timer twice a day\n", report.ShellLine(words))
	return nil
}

// lineage makes the lineage that the flags describe.
func (o obtainFlags) lineage(f *detect.Facts, ca acme.CA) (*lineage.Lineage, error) {
	l := &lineage.Lineage{
		Server: ca.Directory, CAFile: o.caFile, Email: o.email, Names: o.names, KeyTypes: strings.Split(o.keyType, ","),
		Profile: o.profile, BothUses: o.bothUses, Challenge: lineage.Challenge{Kind: o.challenge},
	}
	if len(l.Names) == 0 {
		for _, n := range f.Needed {
			l.Names = append(l.Names, n.Name)
		}
	}
	var all []error
	if len(l.Names) == 0 {
		all = append(all, hint.New("no names are known for the certificate", "give --name"))
	}
	for _, n := range l.Names {
		if !hostName(n) {
			all = append(all, hint.New(fmt.Sprintf("%.80q is no host name that a CA can sign", n), "give --name mx.example.org"))
		}
	}
	seen := map[bool]bool{}
	for _, kind := range l.KeyTypes {
		if !slices.Contains(acme.KeyTypes, kind) {
			all = append(all, hint.New(fmt.Sprintf("%.40q is not a kind of key", kind), "--key-type is one of "+strings.Join(acme.KeyTypes, ", ")))
		}
		isRSA := strings.HasPrefix(kind, "RSA")
		if seen[isRSA] {
			all = append(all, hint.New("Postfix can serve one certificate of each algorithm", "--key-type P256,RSA2048 gives both"))
		}
		seen[isRSA] = true
	}
	c := &l.Challenge
	switch c.Kind {
	case "http-01":
		c.Listen = o.httpListen
	case "tls-alpn-01":
		c.Listen = o.tlsListen
	case "webroot":
		if c.Webroot = o.webroot; c.Webroot == "" {
			all = append(all, hint.New("--webroot is missing", "it is the directory that the web server shows as /"))
		}
	case "dns-exec":
		if c.Program = o.dnsProgram; c.Program == "" {
			all = append(all, hint.New("--dns-program is missing", "it is the program that makes the record"))
		}
	case "dns-rfc2136":
		if o.dnsServer == "" {
			all = append(all, hint.New("--dns-server is missing", "it is the server that takes updates of the zone"))
		}
		c.Update = &lineage.Update{Server: o.dnsServer, Zone: o.dnsZone, Key: o.tsigKey, Algorithm: o.tsigAlgorithm, SecretFile: o.tsigSecretFile}
	case lineage.ByHand:
	default:
		all = append(all, hint.New(fmt.Sprintf("%.40q is no kind of challenge", c.Kind), "--challenge is one of "+strings.Join(append(slices.Clone(lineage.Challenges), lineage.ByHand), ", ")))
	}
	if len(all) == 0 {
		l.Name = strings.ToLower(strings.TrimPrefix(l.Names[0], "*."))
	}
	return l, errors.Join(all...)
}

// hostName says whether a name is one of the DNS, a wildcard perhaps, and so
// also a harmless name for a folder.
func hostName(n string) bool {
	n = strings.TrimPrefix(n, "*.")
	if len(n) == 0 || len(n) > 253 || !strings.Contains(n, ".") {
		return false
	}
	for _, label := range strings.Split(n, ".") {
		if label == "" || len(label) > 63 || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") ||
			strings.ContainsFunc(label, func(r rune) bool {
				return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-'
			}) {
			return false
		}
	}
	return true
}

// keeper is the keeper of certificates of this run.
func (a *app) keeper(s *session.Session) *lineage.Keeper {
	k := &lineage.Keeper{
		Store: lineage.Store{M: a.machine, StateDir: s.StateDir, CertsDir: s.CertsDir},
		Facts: s.Facts, LogPath: s.Facts.Log.Path,
	}
	if a.json {
		return k
	}
	p := a.printer(a.out)
	k.Step = p.Step
	k.Tell = func(e acme.Event) {
		step := apply.Event{Step: strings.TrimSpace(string(e.Phase) + " " + e.Name), State: apply.Done}
		switch {
		case e.Err != nil:
			step.State, step.Text = apply.Failed, e.Err.Error()
		case e.Phase == acme.Finished:
			return
		case e.Phase == acme.Waiting:
			fmt.Fprintf(a.out, "Make this record, and press enter when it is there:\n  %s\n", report.Clean(e.Text))
			return
		case e.Text != "":
			step.State, step.Text = apply.Noted, e.Text
		}
		p.Step(step)
	}
	return k
}

// enters sends for each line that is entered.
func (a *app) enters() <-chan struct{} {
	out := make(chan struct{})
	go func() {
		s := bufio.NewScanner(a.in)
		for s.Scan() {
			select {
			case out <- struct{}{}:
			case <-a.ctx.Done():
				return
			}
		}
	}()
	return out
}

// showCA shows what a CA says of itself.
func (a *app) showCA(k *lineage.Keeper, l *lineage.Lineage, ca acme.CA) error {
	m, err := k.Meta(a.ctx, l)
	if err != nil {
		return err
	}
	if a.json {
		return a.printer(a.out).JSON(m)
	}
	fmt.Fprintf(a.out, "%s\nterms of service  %s\n", report.Clean(ca.Title), report.Clean(m.Terms))
	for _, name := range slices.Sorted(maps.Keys(m.Profiles)) {
		fmt.Fprintf(a.out, "profile %-12s %s\n", report.Clean(name), report.Clean(m.Profiles[name]))
	}
	if m.EAB {
		fmt.Fprintln(a.out, "It wants an account at its web page: --eab-kid, --eab-hmac-file.")
	}
	return nil
}
