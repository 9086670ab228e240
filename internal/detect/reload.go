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
	master, ok := masterOf(m, f.Config.Text(nil, "queue_directory"))
	if !ok {
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

// masterOf is the process number of the master that last worked in a queue directory,
// if that is known: only root may read the file.
func masterOf(m host.Reader, queue string) (pid int, ok bool) {
	text, err := m.ReadFile(filepath.Join(queue, "pid", "master.pid"))
	pid, bad := strconv.Atoi(strings.TrimSpace(string(text)))
	return pid, err == nil && bad == nil
}

// Started reports whether Postfix is known to run in a queue directory. It then has in
// its chroot what was copied there when it started, and nothing more.
func Started(m host.Reader, queue string) bool {
	pid, ok := masterOf(m, queue)
	if !ok {
		return false
	}
	name, _, _, ok := process(m, filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	return ok && name == "master"
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
