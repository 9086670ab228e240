package acme

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"syscall"

	"github.com/go-acme/lego/v4/challenge"
	"github.com/go-acme/lego/v4/lego"

	"postseal/internal/hint"
	"postseal/internal/host"
)

// Webroot leaves the answer to a web server that is there already: Dir is what
// it serves as "/".
type Webroot struct {
	atOnce
	Dir string
}

// Kind implements Solver.
func (Webroot) Kind() string { return string(challenge.HTTP01) }

func (s Webroot) install(l *lego.Client, p *presented) (func(), error) {
	if st, err := os.Stat(s.Dir); err != nil || !st.IsDir() {
		return nil, hint.New(fmt.Sprintf("%.200q is not a directory", s.Dir), "give --webroot the directory that the web server serves as /, such as /var/www/html")
	}
	by, err := host.Local{}.Exposed(s.Dir)
	if err != nil {
		return nil, fmt.Errorf("checking who can change the webroot: %w", err)
	}
	if i := slices.IndexFunc(by, func(e host.Exposure) bool { return e.Mode&fs.ModeSymlink != 0 }); i >= 0 {
		actual, err := filepath.EvalSymlinks(s.Dir)
		if err != nil {
			return nil, fmt.Errorf("checking the webroot: %w", err)
		}
		return nil, hint.Wrap(fmt.Errorf("checking the webroot: %w: %s", host.ErrStrangeLink, by[i]), "give the directory itself: "+hint.ShellLine([]string{"--webroot", actual}))
	}
	p.provider = &webroot{dir: s.Dir}
	return s.done, l.Challenge.SetHTTP01Provider(p)
}

// webroot writes the answer and takes it away, with the folders that it made. The folder
// often belongs to the account of the web server, which may exchange what is in it at
// any time: everything is done through host, which goes where no link of another account
// leads.
type webroot struct {
	dir  string
	mu   sync.Mutex
	made []string
}

// token is what a CA may call a challenge (RFC 8555, section 8.3): base64url.
var token = regexp.MustCompile(`^[0-9A-Za-z_-]{1,200}$`)

// Present implements challenge.Provider.
func (w *webroot) Present(_, name, keyAuth string) error {
	if !token.MatchString(name) {
		return fmt.Errorf("the CA's token %.80q is not a file name", name)
	}
	path := w.path(name)
	made, err := host.Local{}.MkdirAll(filepath.Dir(path), 0o755)
	w.mu.Lock()
	w.made = append(w.made, made...)
	w.mu.Unlock()
	if err == nil {
		err = host.Local{}.Save(path, []byte(keyAuth), 0o644)
	}
	if errors.Is(err, syscall.EROFS) && os.Getenv("INVOCATION_ID") != "" { // of a unit of systemd (systemd.exec(5))
		err = hint.Wrap(err, fmt.Sprintf("the unit must be allowed to write there: run systemctl edit postseal-renew.service, and add under [Service]: ReadWritePaths=%q", w.dir))
	}
	return err
}

func (w *webroot) path(name string) string {
	return filepath.Join(w.dir, ".well-known", "acme-challenge", name)
}

// CleanUp implements challenge.Provider.
func (w *webroot) CleanUp(_, name, _ string) error {
	if !token.MatchString(name) {
		return nil // it was not presented
	}
	err := host.Local{}.Remove(w.path(name))
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, dir := range slices.Backward(w.made) {
		_ = host.Local{}.Remove(dir) // stays if something else is in it
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
