package census_test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"time"
)

// generator writes the log of a busy relay: 60,000 clients and 20,000 destinations, with
// the noise of scanners, postscreen, filters and the queue manager between.
type generator struct {
	w                *bufio.Writer
	r                *rand.Rand
	clients, domains *rand.Zipf
	t                time.Time
	iso              bool
	n                int64
	servers, senders [40]int
}

// generate writes about size bytes, the same ones for the same arguments.
func generate(w io.Writer, size int64, iso bool) error {
	r := rand.New(rand.NewPCG(1, 7)) //nolint:gosec // a test log
	g := &generator{w: bufio.NewWriterSize(w, 1<<20), r: r, iso: iso, t: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC),
		clients: rand.NewZipf(r, 1.1, 20, 59_999), domains: rand.NewZipf(r, 1.15, 8, 19_999)}
	for i := range g.servers {
		g.servers[i], g.senders[i] = g.pid(), g.pid()
	}
	for g.n < size {
		g.visit()
	}
	return g.w.Flush()
}

func (g *generator) pid() int { return 10_000 + g.r.IntN(900_000) }

func (g *generator) line(program string, pid int, format string, args ...any) {
	g.t = g.t.Add(time.Duration(g.r.IntN(120_000)) * time.Microsecond)
	stamp := g.t.Format("Jan _2 15:04:05")
	if g.iso {
		stamp = g.t.Format("2006-01-02T15:04:05.000000+00:00")
	}
	k, _ := fmt.Fprintf(g.w, "%s mx1 %s[%d]: ", stamp, program, pid)
	m, _ := fmt.Fprintf(g.w, format+"\n", args...)
	g.n += int64(k + m)
}

func (g *generator) queueID() string {
	const letters = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz"
	if g.r.IntN(3) > 0 {
		return fmt.Sprintf("%011X", g.r.Uint64()&0xfffffffffff)
	}
	b := []byte("4............")
	for i := 1; i < len(b); i++ {
		b[i] = letters[g.r.IntN(len(letters))]
	}
	return string(b)
}

func address(i uint64) string { return fmt.Sprintf("198.%d.%d.%d", 18+i>>16, i>>8&255, i&255) }

// tls is what a host agrees on, mostly the same each time.
func (g *generator) tls(i uint64) string {
	kinds := []struct {
		below uint64
		text  string
	}{
		{62, "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256"},
		{70, "TLSv1.3 with cipher TLS_AES_128_GCM_SHA256 (128/128 bits) key-exchange ECDHE (P-256) server-signature ECDSA (P-256) server-digest SHA256"},
		{73, "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519MLKEM768 server-signature RSA-PSS (2048 bits) server-digest SHA256"},
		{88, "TLSv1.2 with cipher ECDHE-RSA-AES256-GCM-SHA384 (256/256 bits)"},
		{93, "TLSv1.2 with cipher ECDHE-RSA-AES128-GCM-SHA256 (128/128 bits)"},
		{96, "TLSv1.2 with cipher DHE-RSA-AES256-GCM-SHA384 (256/256 bits)"},
		{97, "TLSv1.2 with cipher AES256-GCM-SHA384 (256/256 bits)"},
		{98, "TLSv1.1 with cipher ECDHE-RSA-AES256-SHA (256/256 bits)"},
		{99, "TLSv1 with cipher ECDHE-RSA-AES256-SHA (256/256 bits)"},
		{100, "TLSv1.2 with cipher ADH-AES256-GCM-SHA384 (256/256 bits)"},
	}
	h := (i*2654435761 + uint64(g.r.IntN(20))/19) % 100 //nolint:gosec // not negative
	for _, k := range kinds {
		if h < k.below {
			return k.text
		}
	}
	return ""
}

// visit writes one session with what comes of it.
func (g *generator) visit() {
	si := g.r.IntN(len(g.servers))
	pid := g.servers[si]
	if g.r.IntN(60) == 0 {
		g.servers[si] = g.pid()
	}
	ci := g.clients.Uint64()
	name := fmt.Sprintf("mail%d.client%05d.example", ci%3, ci)
	if ci%17 == 0 {
		name = "unknown"
	}
	c := fmt.Sprintf("%s[%s]", name, address(ci))
	server := func(format string, args ...any) { g.line("postfix/smtpd", pid, format, args...) }
	k := g.r.IntN(100)
	if k >= 21 && k < 29 {
		g.line("postfix/postscreen", 999, "CONNECT from [%s]:%d to [192.0.2.1]:25", address(ci), 1024+g.r.IntN(60_000))
		g.line("postfix/postscreen", 999, "PASS OLD [%s]:%d", address(ci), 1024+g.r.IntN(60_000))
	}
	server("connect from %s", c)
	switch {
	case k < 18:
		server("lost connection after AUTH from %s", c)
		server("disconnect from %s ehlo=1 auth=0/1 rset=1 commands=2/3", c)
	case k < 21:
		server("SSL_accept error from %s: -1", c)
		server("warning: TLS library problem: error:0A000102:SSL routines::unsupported protocol:../ssl/statem/statem_srvr.c:1657:")
		server("lost connection after STARTTLS from %s", c)
		server("disconnect from %s ehlo=1 starttls=0/1 commands=1/2", c)
	case k >= 29 && k < 36:
		server("Anonymous TLS connection established from %s: %s", c, g.tls(ci))
		server("NOQUEUE: reject: RCPT from %s: 554 5.7.1 Service unavailable; Client host [%s] blocked using zen.example; from=<x@d.example> to=<user%d@perf.test> proto=ESMTP helo=<%s>", c, address(ci), g.r.IntN(500), name)
		server("disconnect from %s ehlo=2 starttls=1 mail=1 rcpt=0/1 quit=1 commands=5/6", c)
	default:
		g.message(server, ci, name, c)
	}
}

// message writes what comes of a message.
func (g *generator) message(server func(string, ...any), ci uint64, name, c string) {
	starttls := ""
	if ci%9 != 0 {
		starttls = " starttls=1"
		server("%s TLS connection established from %s: %s", []string{"Anonymous", "Anonymous", "Anonymous", "Untrusted", "Trusted"}[g.r.IntN(5)], c, g.tls(ci))
	}
	q := g.queueID()
	server("%s: client=%s", q, c)
	g.line("postfix/cleanup", g.senders[g.r.IntN(40)], "%s: message-id=<%d.%x@%s>", q, g.t.Unix(), g.r.Uint64(), name)
	g.line("opendkim", 812, "%s: DKIM-Signature field added (s=default, d=perf.test)", q)
	recipients := 1 + g.r.IntN(8)/7
	g.line("postfix/qmgr", 1234, "%s: from=<bounce-%d@client%05d.example>, size=%d, nrcpt=%d (queue active)", q, g.r.IntN(1e6), ci, 800+g.r.IntN(200_000), recipients)
	server("disconnect from %s ehlo=2%s mail=1 rcpt=1 data=1 quit=1 commands=7", c, starttls)
	for range recipients {
		g.delivery(q)
	}
	g.line("postfix/qmgr", 1234, "%s: removed", q)
}

func (g *generator) delivery(q string) {
	pid, di := g.senders[g.r.IntN(40)], g.domains.Uint64()
	d := fmt.Sprintf("dest%05d.%s", di, []string{"com", "org", "net", "de", "co.uk", "fr", "example"}[di%7])
	mx := fmt.Sprintf("mx%d.%s", di%2+1, d)
	if di%3 == 0 {
		mx = fmt.Sprintf("mx%d.bigmailer%d.example", di%5, di%40)
	}
	relay := fmt.Sprintf("%s[%s]:25", mx, address(100_000+di))
	result := func(relay, dsn, status string) {
		g.line("postfix/smtp", pid, "%s: to=<user%d@%s>, relay=%s, delay=%.2f, delays=%.2f/0.01/%.2f/%.2f, dsn=%s, status=%s", q, g.r.IntN(5000), d, relay, g.r.Float64()*3, g.r.Float64(), g.r.Float64(), g.r.Float64(), dsn, status)
	}
	switch k := g.r.IntN(100); {
	case k < 84:
		if di%11 != 0 {
			g.line("postfix/smtp", pid, "%s TLS connection established to %s: %s", []string{"Untrusted", "Trusted", "Verified", "Trusted"}[di%4], relay, g.tls(di))
		}
		result(relay, "2.0.0", "sent (250 2.0.0 Ok: queued as "+g.queueID()+")")
	case k < 90:
		result("none", "4.4.1", "deferred (connect to "+relay+": Connection timed out)")
	case k < 93:
		result(relay, "4.7.5", "deferred (Server certificate not verified)")
	case k < 94:
		result(relay, "4.7.5", "deferred (Cannot start TLS: handshake failure)")
	case k < 97:
		result(relay, "5.1.1", "bounced (host "+relay+" said: 550 5.1.1 User unknown (in reply to RCPT TO command))")
	default:
		g.line("postfix/local", pid, "%s: to=<user%d@perf.test>, relay=local, delay=0.1, delays=0.05/0/0/0.05, dsn=2.0.0, status=sent (delivered to mailbox)", q, g.r.IntN(500))
	}
}
