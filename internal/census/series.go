package census

import (
	"bytes"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"postseal/internal/host"
)

// logFile is an open file of a log.
type logFile struct {
	host.File
	path    string
	form    form
	state   host.FileState
	written time.Time // no line is younger
	first   int64     // the time of the first line, or 0
}

// openLog opens a file and looks at its first bytes.
func openLog(m host.Reader, path string) (*logFile, error) {
	f, err := m.Open(path)
	if err != nil {
		return nil, err
	}
	l := &logFile{File: f, path: path}
	if l.state, err = f.State(); err != nil {
		_ = f.Close()
		return nil, err
	}
	l.written = l.state.ModTime.In(m.Now().Location())
	var head [6]byte
	n, err := f.ReadAt(head[:], 0)
	if err != nil && err != io.EOF { //nolint:errorlint // ReaderAt's own
		_ = f.Close()
		return nil, err
	}
	l.form = formOf(head[:n])
	l.first = l.begins()
	return l, nil
}

// begins returns the time of the first line that has one.
func (l *logFile) begins() int64 {
	text := make([]byte, 16<<10)
	r, err := l.content()
	if err != nil {
		return 0
	}
	n, _ := io.ReadFull(r, text) // as far as it can be read
	c := clock{now: l.written}
	for line := range bytes.Lines(text[:n]) {
		if line[0] == '{' {
			if line = unwrap(line); line == nil {
				continue
			}
		}
		line = line[composed(line):]
		if end := stampEnd(line); end > 0 {
			if at, ok := c.at(line[:end]); ok {
				return at
			}
		}
	}
	return 0
}

// content is the text of the file from its start.
func (l *logFile) content() (io.Reader, error) {
	return inflate(io.NewSectionReader(l, 0, l.state.Size), l.form)
}

// inOrder sorts files by their first lines. Those that tell no time stay behind.
func inOrder(logs []*logFile) {
	slices.SortStableFunc(logs, func(a, b *logFile) int {
		switch {
		case a.first == 0 || b.first == 0:
			return 0
		case a.first < b.first:
			return -1
		case a.first > b.first:
			return 1
		}
		return a.state.ModTime.Compare(b.state.ModTime)
	})
}

// rotated is what logrotate(8), newsyslog(8) and savelog(8) put behind a name.
var rotated = regexp.MustCompile(`^[.-](?:\d{1,3}|\d{8}(?:-\d{1,10}|-?T?\d{2,6})?|\d{4}-\d{2}-\d{2}(?:-\d{1,10})?)(\.(?:gz|xz|zst|bz2))?$`)

// maxFiles bounds a series.
const maxFiles = 1000

// series lists a log and its rotated files. Of a file that is just being compressed, the
// text is taken.
func series(m host.Reader, path string) []string {
	names, err := m.ReadDir(filepath.Dir(path), 100_000)
	out := []string{path}
	if err != nil {
		return out
	}
	base := filepath.Base(path)
	slices.Sort(names)
	for _, n := range names {
		rest, ok := strings.CutPrefix(n, base)
		if !ok {
			continue
		}
		match := rotated.FindStringSubmatch(rest)
		if match == nil || match[1] != "" && slices.Contains(names, strings.TrimSuffix(n, match[1])) || len(out) >= maxFiles {
			continue
		}
		out = append(out, filepath.Join(filepath.Dir(path), n))
	}
	return out
}
