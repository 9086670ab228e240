package detect

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"time"

	"postseal/internal/host"
	"postseal/internal/maillog"
)

// Wanted is what the log tells of client certificates: who wanted this server
// to show one when it sends.
type Wanted struct {
	// Seen says that there was a log to look at; Sent is how many deliveries by
	// SMTP it tells of, and Days how long it is, 0 if it does not say.
	Seen bool `json:"seen"`
	Sent int  `json:"deliveries"`
	Days int  `json:"days"`
	// Told is how many handshakes would show that the peer asked for a certificate and
	// got it: all of TLS 1.3, and all at smtp_tls_loglevel 2. Untold is how many would
	// not: those of older versions, below that level.
	Told   int `json:"told"`
	Untold int `json:"untold"`
	// By are the peers that wanted a certificate, those most often met first.
	By []Wanting `json:"by"`
}

// Wanting is a peer that wanted a client certificate.
type Wanting struct {
	Peer  string `json:"peer"`
	Times int    `json:"times"`
	// Refused says that mail was refused for want of a good one; else it only
	// asked, as the log of level 2 shows.
	Refused bool `json:"refused"`
	// Words is what the peer, or the library, said.
	Words string `json:"words"`
}

// tailLength is how much of the end of a log is read, in bytes.
const tailLength = host.MaxFile

var (
	delivery = regexp.MustCompile(`^[0-9A-Za-z]+: to=<[^>]*>,.* relay=([^,\s]+),.* status=(\w+) \((.*)\)$`)
	// certificateWords are how servers refuse for want of a certificate.
	certificateWords = regexp.MustCompile(`(?i)(?:\b[45]\d\d\b.*(?:client certificate|certificate required|no certificate presented|certificate not trusted|valid certificate))`)
	settingUp        = regexp.MustCompile(`^setting up TLS connection to (\S+)`)
	established      = regexp.MustCompile(`^\w+ TLS connection established to (\S+): (\S+) with cipher (.*)`)
	alert            = regexp.MustCompile(`(?i)alert certificate required|peer did not return a certificate`)
)

// findWanted reads the end of the log for peers that want a client certificate.
// Lines of a log that is not on disk are not asked for.
func (f *Facts) findWanted(m host.Reader) {
	if f.Log.Path == "" {
		return
	}
	info, err := m.Stat(f.Log.Path)
	if err != nil {
		return
	}
	lines, _, err := f.MailLog().Since(context.Background(), m, maillog.Mark{Offset: max(0, info.Size-tailLength)})
	if err != nil {
		return
	}
	f.Wanted = WantedIn(lines, f.Now)
}

// WantedIn counts in the lines of a log. Only what the processes that deliver say
// counts, never words that a sender can put into a log.
func WantedIn(lines []maillog.Line, now time.Time) Wanted {
	w := Wanted{Seen: true}
	to := map[int]string{}     // the peer that a process is connecting to
	detailed := map[int]bool{} // its handshake is shown step by step
	note := func(peer, words string, refused bool) {
		if at := strings.IndexByte(peer, '['); at > 0 {
			peer = peer[:at]
		}
		i := slices.IndexFunc(w.By, func(x Wanting) bool { return x.Peer == peer })
		if i < 0 {
			w.By = append(w.By, Wanting{Peer: peer})
			i = len(w.By) - 1
		}
		x := &w.By[i]
		x.Times++
		if refused || x.Words == "" {
			x.Words, x.Refused = words, x.Refused || refused
		}
	}
	var first, last time.Time
	for _, line := range lines {
		if line.Program != "smtp" && line.Program != "lmtp" {
			continue
		}
		if t := line.When(now); !t.IsZero() {
			if first.IsZero() {
				first = t
			}
			last = t
		}
		process, said := line.PID, line.Text
		if s := settingUp.FindStringSubmatch(said); s != nil {
			to[process] = strings.TrimSuffix(s[1], ":")
		}
		switch d := delivery.FindStringSubmatch(said); {
		case d != nil:
			w.Sent++
			if d[2] != "sent" && certificateWords.MatchString(d[3]) {
				note(d[1], d[3], true)
			}
		case alert.MatchString(said) && to[process] != "":
			note(to[process], said, true)
		case strings.HasPrefix(said, "SSL_connect:before "):
			detailed[process] = true
		case established.MatchString(said):
			e := established.FindStringSubmatch(said)
			switch shown := strings.Contains(e[3], " client-signature "); {
			case detailed[process]: // said before, if it asked
				w.Told++
			case e[2] == "TLSv1.3":
				w.Told++
				if shown {
					note(e[1], "it asked for one in the handshake", false)
				}
			default:
				w.Untold++
			}
			delete(detailed, process)
		case strings.Contains(said, "read server certificate request") && strings.HasPrefix(said, "SSL_connect:") && to[process] != "":
			note(to[process], "it asked for one in the handshake", false)
		}
	}
	if !first.IsZero() {
		w.Days = int(last.Sub(first).Hours()/24 + 0.5)
	}
	slices.SortStableFunc(w.By, func(a, b Wanting) int {
		if a.Refused != b.Refused {
			return map[bool]int{true: -1, false: 1}[a.Refused]
		}
		return b.Times - a.Times
	})
	return w
}
