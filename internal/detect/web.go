package detect

import (
	"context"
	"regexp"
	"strconv"

	"postseal/internal/host"
)

// Web is what a CA would find on the ports over which names can be proved, and
// who else may use a certificate.
type Web struct {
	// HTTP and HTTPS are the programs that listen on port 80 and 443; empty if
	// nothing does, or if it cannot be seen.
	HTTP, HTTPS string
	// Roots are folders that a web server here may show as /.
	Roots []string
	// Dovecot is true if Dovecot is set up here.
	Dovecot bool
}

// webRoots are where distributions let web servers begin.
var webRoots = []string{"/var/www/html", "/usr/share/nginx/html", "/srv/www/htdocs", "/var/www/localhost/htdocs", "/usr/local/www/nginx", "/var/www"}

// FindWeb looks who listens on the ports of the web.
func FindWeb(ctx context.Context, m host.Reader) Web {
	w := Web{HTTP: Listening(ctx, m, 80), HTTPS: Listening(ctx, m, 443)}
	for _, dir := range webRoots {
		if info, err := m.Stat(dir); err == nil && info.Mode.IsDir() {
			w.Roots = append(w.Roots, dir)
		}
	}
	_, err := m.Stat("/etc/dovecot/dovecot.conf")
	w.Dovecot = err == nil
	return w
}

// user is how ss(8) names the owner of a socket: users:(("nginx",pid=7,fd=6)).
var user = regexp.MustCompile(`users:\(\("([^"]{1,64})"`)

// Listening names the program that listens on a TCP port; "another program" if
// only that can be seen, and "" if none does or ss(8) is not there.
func Listening(ctx context.Context, m host.Reader, port int) string {
	o, err := m.Run(ctx, "ss", "-Hltnp", "sport", "=", ":"+strconv.Itoa(port))
	switch {
	case err != nil || o.Code != 0 || o.Stdout == "":
		return ""
	case user.MatchString(o.Stdout):
		return user.FindStringSubmatch(o.Stdout)[1]
	}
	return "another program"
}
