package census

import (
	"bytes"
	"strings"
)

// tally counts the lines of one stretch of a log. Tallies of neighbouring stretches are
// put together by merge, with the same result wherever the log was cut.
type tally struct {
	settings
	clock clock
	kinds kinds
	shape shape
	hosts map[string]uint64
	words map[string]string // services and reasons, each once

	rows   [2]rows
	others [2]row

	// Processes by host, program and number. A nil session is one between two.
	servers map[uint64]*session
	clients map[uint64]*delivery
	// What was seen of a process first, as long as it may go on with what an earlier
	// stretch has begun.
	heads     map[uint64]session
	headQueue map[uint64][]result
	idle      []*session // not in use

	lines, odd, long, leftOut int
	first, last               uint32
	logged                    [2]uint32 // the first summary line
	said                      [2]bool   // a result had tls=
	scratch                   []byte
}

// settings are the same for all stretches.
type settings struct {
	names []string            // values of syslog_name
	since uint32              // earlier lines do not count
	own   map[string]struct{} // addresses of this machine
	// implicit: TLS begins at once on a service whose lines are named as port 25's.
	implicit bool
	most     int // peers that are kept
}

// The places of the directions in arrays.
const (
	in = iota
	out
)

func newTally(s settings, c clock) *tally {
	return &tally{
		settings: s, clock: c, kinds: newKinds(), hosts: map[string]uint64{}, words: map[string]string{},
		rows:    [2]rows{newRows(), newRows()},
		servers: map[uint64]*session{}, clients: map[uint64]*delivery{}, heads: map[uint64]session{}, headQueue: map[uint64][]result{},
	}
}

// shape is where the parts of the last line were that was Postfix's. The host and the
// name are the same in most lines.
type shape struct {
	skip  int    // bytes before the stamp
	stamp int    // bytes of the stamp
	mid   []byte // " mx1 postfix/"
	host  uint64
	name  string // of Postfix
	// renamed: a service of its own has this name in master.cf, and no instance.
	renamed bool
}

// scan counts whole lines and returns how many bytes they have.
func (t *tally) scan(buf []byte) int {
	pos := 0
	for {
		n := bytes.IndexByte(buf[pos:], '\n')
		if n < 0 {
			return pos
		}
		t.line(buf[pos : pos+n])
		pos += n + 1
	}
}

// line counts one line.
func (t *tally) line(l []byte) {
	t.lines++
	s := &t.shape
	from := s.skip + s.stamp
	at := from + len(s.mid)
	if len(s.mid) == 0 || len(l) <= at || !bytes.Equal(l[from:at], s.mid) || stampEnd(l[s.skip:]) != s.stamp {
		if len(l) > MaxLine {
			t.long++
			return
		}
		if l = t.findShape(l); l == nil {
			return
		}
		from = s.skip + s.stamp
		at = from + len(s.mid)
	} else if len(l) > MaxLine {
		t.long++
		return
	}
	rest := l[at:]
	n := bytes.IndexByte(rest[:min(len(rest), 100)], '[')
	if n < 4 {
		return
	}
	var server bool
	switch tag := rest[:n]; {
	case string(tag[n-4:]) == "smtp", string(tag[n-4:]) == "lmtp":
	case n > 4 && string(tag[n-5:]) == "smtpd":
		server = true
	default:
		return // qmgr, cleanup, and others that say nothing of TLS
	}
	t.session(l[s.skip:from], rest, n, server)
}

// session counts a line of a program that talks to peers. The number of the process
// stands behind the bracket at n.
func (t *tally) session(stamp, rest []byte, n int, server bool) {
	service := rest[:n-4]
	if server {
		service = rest[:n-5]
	}
	if len(service) > 0 {
		if service[len(service)-1] != '/' {
			return // another program, such as xsmtpd
		}
		service = service[:len(service)-1]
	}
	var pid uint64
	i := n + 1
	for ; i < len(rest) && rest[i]-'0' <= 9 && i < n+11; i++ {
		pid = pid*10 + uint64(rest[i]-'0')
	}
	if i == n+1 || len(rest) < i+3 || rest[i] != ']' || rest[i+1] != ':' || rest[i+2] != ' ' {
		return
	}
	text := rest[i+3:]
	if len(text) > 0 && text[len(text)-1] == '\r' {
		text = text[:len(text)-1]
	}
	sec, ok := t.clock.at(stamp)
	if !ok || sec <= 0 || sec >= 1<<32 {
		t.odd++
		return
	}
	now := uint32(sec)
	if now < t.since {
		return
	}
	if t.first == 0 || now < t.first {
		t.first = now
	}
	t.last = max(t.last, now)
	id := t.shape.host<<34 | pid
	if server {
		t.serverLine(id, t.word(service), now, text)
	} else {
		t.clientLine(id, t.word(service), now, text)
	}
}

// word returns text as a string that is kept once.
func (t *tally) word(text []byte) string {
	if len(text) == 0 {
		return ""
	}
	if s, ok := t.words[string(text)]; ok {
		return s
	}
	s := string(text)
	if len(t.words) < maxWords {
		t.words[s] = s
	}
	return s
}

// maxWords bounds what is remembered of services and reasons.
const maxWords = 4096

// findShape finds the parts of a line that is not of the form of the one before. It
// returns the line, which may be another than the one given, where a container's log
// has it in JSON, or nil if it is not Postfix's.
func (t *tally) findShape(l []byte) []byte {
	skip := 0
	if len(l) > 0 && l[0] == '{' {
		if l = unwrap(l); l == nil {
			return nil
		}
	}
	n := stampEnd(l)
	if n == 0 {
		if skip = composed(l); skip == 0 {
			return nil
		}
		n = stampEnd(l[skip:])
	}
	if n > traditional { // a container engine has put its own stamp before the line
		inner := skip + n + 1
		for _, stream := range []string{"stdout F ", "stderr F "} {
			if bytes.HasPrefix(l[inner:], []byte(stream)) {
				inner += len(stream)
			}
		}
		if m := stampEnd(l[inner:]); m != 0 {
			skip, n = inner, m
		}
	}
	if n == 0 {
		return nil
	}
	from := skip + n
	if from+1 >= len(l) {
		return nil
	}
	h := bytes.IndexByte(l[from+1:min(len(l), from+300)], ' ')
	if h <= 0 {
		return nil
	}
	host := l[from+1 : from+1+h]
	at := from + 1 + h + 1
	if bytes.ContainsAny(host, "[]") {
		return nil
	}
	at += facility(l[at:])
	for _, name := range t.names {
		if rest := l[at:]; len(rest) > len(name)+1 && rest[len(name)] == '/' && string(rest[:len(name)]) == name {
			at += len(name) + 1
			t.shape = shape{skip: skip, stamp: n, mid: append(t.shape.mid[:0], l[from:at]...), host: t.host(host), name: name,
				renamed: name != t.names[0] && (!strings.HasPrefix(name, "postfix") || strings.Contains(name, "/"))}
			return l
		}
	}
	return nil
}

// facility is the length of what syslogd of FreeBSD and of BusyBox put before the tag:
// "<mail.info> " and "mail.info ".
func facility(l []byte) int {
	n := bytes.IndexByte(l[:min(len(l), 20)], ' ')
	if n <= 0 {
		return 0
	}
	word := l[:n]
	if word[0] == '<' && word[n-1] == '>' {
		word = word[1 : n-1]
	} else if !bytes.HasPrefix(word, []byte("mail.")) {
		return 0
	}
	for _, b := range word {
		if b != '.' && (b < 'a' || b > 'z') && (b < '0' || b > '9') {
			return 0
		}
	}
	return n + 1
}

// composed is the length of the "mail-1  | " that docker compose puts before a line.
func composed(l []byte) int {
	n := bytes.Index(l[:min(len(l), 80)], []byte(" | "))
	if n < 0 || stampEnd(l[n+3:]) == 0 {
		return 0
	}
	return n + 3
}

// host numbers the hosts of a collected log.
func (t *tally) host(name []byte) uint64 {
	n, ok := t.hosts[string(name)]
	if !ok {
		n = uint64(len(t.hosts))
		if len(t.hosts) < maxHosts {
			t.hosts[string(name)] = n
		}
	}
	return n
}

// maxHosts bounds the hosts whose processes are told apart.
const maxHosts = 10_000
