package detect

import (
	"path/filepath"
	"slices"
	"strings"

	"postseal/internal/host"
	"postseal/internal/maillog"
)

// findLog finds out where Postfix logs to (MAILLOG_README).
func (f *Facts) findLog(m host.Reader) {
	if p := f.Config.Text(nil, "maillog_file"); p != "" {
		f.Log = logAt(m, p, "maillog_file")
		return
	}
	lost := "no log file and no journal was found"
	for _, p := range []string{"/var/log/mail.log", "/var/log/maillog", "/var/log/mail/mail.log"} {
		if !onDisk(m, p) {
			lost = logAt(m, p, "").Why // unless the journal has it too
			continue
		}
		if _, err := m.Stat(p); err == nil {
			f.Log = Log{Path: p, Why: "syslog writes there"}
			return
		}
	}
	for _, p := range []string{"/var/log/journal", "/run/log/journal"} {
		// A folder without files of a journal is left over, or made for one that nobody keeps.
		if files, err := m.Glob(filepath.Join(p, "*", "*.journal")); err == nil && len(files) > 0 {
			f.Log = Log{Journal: true, Why: p}
			return
		}
	}
	f.Log = Log{Why: lost}
}

// logAt is a log in a file, unless what is there keeps nothing: then any other log on
// this machine is that of another program.
func logAt(m host.Reader, path, why string) Log {
	if onDisk(m, filepath.Clean(path)) {
		return Log{Path: path, Why: why}
	}
	return Log{Why: "the Postfix log is not on disk, since it goes to " + path + ": docker logs NAME, or journalctl -u UNIT of the service that starts Postfix, shows it"}
}

// onDisk reports whether what is written to path stays there, which it does not in a
// device, a pipe, or a link to one. What a process has for its output is not looked
// at: that of this one may be a file.
func onDisk(m host.Reader, path string) bool {
	for range maxLinks {
		if path == "/dev/stdout" || path == "/dev/stderr" || strings.HasPrefix(path, "/dev/fd/") || strings.HasPrefix(path, "/proc/") {
			return false
		}
		next, link := follow(m, path)
		if !link {
			break
		}
		path = next
	}
	info, err := m.Stat(path)
	return err != nil || info.Mode.IsRegular() // Postfix makes one that is not there
}

// MailLog is where this instance logs to, with the names and the accounts by which its
// lines are known.
func (f *Facts) MailLog() maillog.Source {
	s := maillog.Source{Path: f.Log.Path, Journal: f.Log.Journal, Why: f.Log.Why, Accounts: []int{0}}
	if f.Config.Main == nil { // the server was not looked at
		return s
	}
	add := func(name string) {
		if name != "" && !slices.Contains(s.Names, name) {
			s.Names = append(s.Names, name)
		}
	}
	add(f.Config.Text(nil, "syslog_name"))
	if f.Config.Master != nil {
		for _, service := range f.Config.Master.Services() {
			if _, own := service.Override("syslog_name"); own {
				add(f.Config.Text(&service, "syslog_name"))
			}
		}
	}
	if uid, known := host.UserID(f.Config.Text(nil, "mail_owner")); known {
		s.Accounts = append(s.Accounts, uid)
	}
	return s
}
