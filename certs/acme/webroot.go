package acme

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/go-acme/lego/v4/challenge"
	"github.com/go-acme/lego/v4/lego"

	"postseal/internal/hint"
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
		return nil, hint.New(fmt.Sprintf("%.200q is not a folder", s.Dir), "--webroot is what the web server shows as /, such as /var/www/html")
	}
	p.provider = &webroot{dir: s.Dir}
	return s.done, l.Challenge.SetHTTP01Provider(p)
}

// webroot writes the answer and takes it away, with the folders that it made.
type webroot struct {
	dir  string
	mu   sync.Mutex
	made []string
}

// Present implements challenge.Provider.
func (w *webroot) Present(_, token, keyAuth string) error {
	if filepath.Base(token) != token || token == "." || token == ".." {
		return fmt.Errorf("the CA's token %.80q is no file name", token)
	}
	for _, d := range []string{filepath.Join(w.dir, ".well-known"), filepath.Join(w.dir, ".well-known", "acme-challenge")} {
		err := os.Mkdir(d, 0o755)
		switch {
		case errors.Is(err, os.ErrExist):
			continue
		case err == nil:
			w.mu.Lock()
			w.made = append(w.made, d)
			w.mu.Unlock()
			err = os.Chmod(d, 0o755) // whatever the umask: a web server of another user reads it
		}
		if err != nil {
			return err
		}
	}
	// Only a new file: what is there might be a link to somewhere else.
	f, err := os.OpenFile(w.path(token), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(keyAuth)
	return errors.Join(err, f.Chmod(0o644), f.Close())
}

func (w *webroot) path(token string) string {
	return filepath.Join(w.dir, ".well-known", "acme-challenge", token)
}

// CleanUp implements challenge.Provider.
func (w *webroot) CleanUp(_, token, _ string) error {
	if filepath.Base(token) != token {
		return nil // it was not presented
	}
	err := os.Remove(w.path(token))
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := len(w.made) - 1; i >= 0; i-- {
		_ = os.Remove(w.made[i]) // stays if something else is in it
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
