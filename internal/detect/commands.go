package detect

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"postseal/internal/host"
	"postseal/internal/postfix"
	"postseal/internal/postfix/mastercf"
)

// maxCommands bounds how many different commands of master.cf are looked at.
const maxCommands = 500

// programs finds services whose command cannot be run. The master adds it to
// daemon_directory, whatever it looks like, and notices when a client connects;
// postfix check does not. Without a master in that folder, this is not where the
// Postfix that reads this configuration lies, and nothing is said.
func (f *Facts) programs(m host.Reader) {
	dir := f.Config.Text(nil, "daemon_directory")
	if info, err := m.Stat(dir + "/master"); dir == "" || err != nil || !info.Mode.IsRegular() {
		return
	}
	why := map[string]string{}
	for _, s := range f.Config.Master.Services() {
		if _, known := why[s.Command]; !known {
			if len(why) == maxCommands {
				f.unseen("the commands of some services in master.cf", fmt.Errorf("there are more than %d", maxCommands))
				return
			}
			why[s.Command] = unrunnable(m, dir+"/"+s.Command)
		}
		if why[s.Command] == "" {
			continue
		}
		text := fmt.Sprintf("%s: %.120s/%.60s %s", s.ID(), dir, s.Command, why[s.Command])
		switch {
		case s.Glued():
			text += "; its line goes on with another service, so a line end is missing"
		case strings.HasPrefix(s.Command, "/"):
			text += "; the command is a name in daemon_directory"
		}
		f.problem(NoProgram, "", postfix.Origin{File: f.Config.MasterPath(), Line: s.Line, Service: s.ID()}, text)
	}
}

// unrunnable says why execve(2) refuses a path to root; it is empty if it does not,
// or if that cannot be seen.
func unrunnable(m host.Reader, path string) string {
	info, err := m.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR):
		return "does not exist"
	case err != nil:
		return ""
	case info.Mode.IsDir():
		return "is a directory"
	case !info.Mode.IsRegular():
		return "is not a regular file"
	case info.Mode&0o111 == 0:
		return "is not executable"
	}
	return ""
}

// strayWords finds arguments of which a program dies.
func (f *Facts) strayWords(s mastercf.Service) {
	if len(s.Stray) == 0 {
		return
	}
	var words []string
	for _, w := range s.Stray {
		words = append(words, w.Text)
	}
	at := postfix.Origin{File: f.Config.MasterPath(), Line: s.Stray[0].Line, Service: s.ID()}
	last := mastercf.Option{}
	if n := len(s.Options); n > 0 && len(s.Options[n-1].Stray) > 0 {
		last = s.Options[n-1]
	}
	if last.Bad != "" {
		return // -o name = value, which is told as such
	}
	all := strings.Join(words, " ")
	text := fmt.Sprintf("%s: %s dies of the words %.60q", s.ID(), s.Program(), all)
	switch {
	case s.Glued():
		text += ", which look like another service: end the line before them"
	case strings.HasPrefix(all, "#"):
		text += ": put the comment on a line of its own"
	case last.Name != "":
		at.Line = last.Line
		text += fmt.Sprintf(" behind -o %.60s: write %s", last.Name, f.whole(last.Name, last.Value+" "+all))
	default:
		text += ": remove them, or write -o before a setting"
	}
	f.problem(Stray, last.Name, at, text)
}

// whole is an override with blanks in its value, in a form that this release reads
// as one word: Postfix before 3.0 has no braces.
func (f *Facts) whole(name, value string) string {
	v := f.Config.Version
	if v.Known() && !v.AtLeast(postfix.V(3, 0, 0)) {
		return fmt.Sprintf("-o %.60s=%.80s", name, strings.Join(postfix.List(value), ","))
	}
	text, err := mastercf.Format(name, value)
	if err != nil {
		text = name + "=" + strings.Join(postfix.List(value), ",")
	}
	return fmt.Sprintf("-o %.140s", text)
}
