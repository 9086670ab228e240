package detect

import (
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"postseal/internal/host"
)

// findReload finds when main.cf was changed, and since when Postfix runs with
// what it had read: on a reload the master replaces its queue manager, which
// otherwise never ends.
func (f *Facts) findReload(m host.Reader) {
	if st, err := m.Stat(f.Config.MainPath()); err == nil {
		f.Edited = st.ModTime
	}
	text, err := m.ReadFile(filepath.Join(f.Config.Text(nil, "queue_directory"), "pid", "master.pid"))
	master, bad := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || bad != nil {
		return
	}
	boot := bootTime(m)
	all, err := m.Glob("/proc/[0-9]*/stat")
	if err != nil || boot.IsZero() {
		return
	}
	for _, path := range all {
		if name, parent, ticks, ok := process(m, path); ok && parent == master && (name == "qmgr" || name == "nqmgr") {
			f.Reloaded = boot.Add(time.Duration(ticks) * time.Second / ticksPerSecond)
			return
		}
	}
}

// ticksPerSecond is what Linux counts the starts of processes in (proc(5)).
const ticksPerSecond = 100

// process reads /proc/PID/stat (proc(5)): the name is in brackets, and may have
// blanks and brackets in it.
func process(m host.Reader, path string) (name string, parent int, ticks int64, ok bool) {
	data, err := m.ReadFile(path)
	if err != nil {
		return "", 0, 0, false
	}
	text := string(data)
	begin, end := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	if begin < 0 || end < begin {
		return "", 0, 0, false
	}
	rest := strings.Fields(text[end+1:])
	if len(rest) < 20 {
		return "", 0, 0, false
	}
	parent, errParent := strconv.Atoi(rest[1])
	ticks, errTicks := strconv.ParseInt(rest[19], 10, 64)
	return text[begin+1 : end], parent, ticks, errParent == nil && errTicks == nil
}

// bootTime is when the machine started, or zero.
func bootTime(m host.Reader) time.Time {
	data, err := m.ReadFile("/proc/stat")
	if err != nil {
		return time.Time{}
	}
	for _, l := range strings.Split(string(data), "\n") {
		if text, ok := strings.CutPrefix(l, "btime "); ok {
			if n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64); err == nil {
				return time.Unix(n, 0)
			}
		}
	}
	return time.Time{}
}
