// Package rehearse runs a private Postfix in a folder of its own: nothing of
// the machine's mail is touched, and it ends by itself.
//
// It starts the installed Postfix's own programs. It does not decide what a
// configuration should say, and it never delivers mail to anyone.
package rehearse

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"postseal/internal/host"
	"postseal/internal/postfix/maincf"
)

// Instance is a private Postfix. Its folders lie under Dir: conf, queue, data
// and log; see multi_instance_directories in postconf(5) for what makes two
// instances independent.
type Instance struct {
	Dir string

	daemons string // daemon_directory
	master  *exec.Cmd
	waited  chan struct{}
}

// Config is the configuration directory.
func (i *Instance) Config() string { return filepath.Join(i.Dir, "conf") }

// LogPath is the file that all its daemons write to.
func (i *Instance) LogPath() string { return filepath.Join(i.Dir, "log", "mail.log") }

// Base is what main.cf must say for the instance to be private: its own
// folders and log, no notices, nothing leaves the machine. compat is the
// compatibility_level to run at, or empty for Postfix's default.
func Base(dir, compat string) string {
	var b strings.Builder
	set := func(name, value string) { fmt.Fprintf(&b, "%s = %s\n", name, value) }
	if compat != "" {
		set("compatibility_level", compat)
	}
	set("queue_directory", filepath.Join(dir, "queue"))
	set("data_directory", filepath.Join(dir, "data"))
	set("maillog_file", filepath.Join(dir, "log", "mail.log"))
	set("maillog_file_prefixes", dir)
	set("multi_instance_name", "postfix-private")
	set("inet_interfaces", "127.0.0.1")
	set("inet_protocols", "ipv4")
	set("mydestination", "")
	set("local_recipient_maps", "")
	set("alias_maps", "")
	set("alias_database", "")
	set("mynetworks", "127.0.0.0/8")
	set("smtpd_relay_restrictions", "permit_mynetworks, reject")
	// Postmaster notices about refused TLS would otherwise look for a way out.
	set("notify_classes", "")
	set("default_transport", "error:private instance, delivers nothing")
	return b.String()
}

// base are the parameters that Base sets.
var base = func() map[string]bool {
	out := map[string]bool{}
	for _, e := range maincf.Parse(Base("/", "")).Entries() {
		out[e.Name] = true
	}
	return out
}()

// BaseServices are the master.cf services that every instance needs beside
// its listeners.
const BaseServices = `postlog   unix-dgram n  -       n       -       1       postlogd
tlsmgr    unix  -       -       n       1000?   1       tlsmgr
anvil     unix  -       -       n       -       1       anvil
rewrite   unix  -       -       n       -       -       trivial-rewrite
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
error     unix  -       -       n       -       -       error
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
`

// queue lists the folders below queue_directory with owner, group and mode,
// as postfix-files has them.
var queue = []struct {
	name, owner, group string
	mode               fs.FileMode
}{
	{"active", "postfix", "", 0o700}, {"bounce", "postfix", "", 0o700}, {"corrupt", "postfix", "", 0o700},
	{"defer", "postfix", "", 0o700}, {"deferred", "postfix", "", 0o700}, {"flush", "postfix", "", 0o700},
	{"hold", "postfix", "", 0o700}, {"incoming", "postfix", "", 0o700}, {"private", "postfix", "", 0o700},
	{"saved", "postfix", "", 0o700}, {"trace", "postfix", "", 0o700}, {"maildrop", "postfix", "postdrop", 0o730},
	{"public", "postfix", "postdrop", 0o710}, {"pid", "", "", 0o755},
}

// Create lays the folders out under dir, which must be new or empty and, with
// its parents, searchable by the user postfix. It needs root.
func Create(dir, mainCF, masterCF string) (*Instance, error) {
	i := &Instance{Dir: dir}
	ids, err := owners(maincf.Parse(mainCF))
	if err != nil {
		return nil, fmt.Errorf("creating a private Postfix: %w", err)
	}
	folder := func(name, owner, group string, mode fs.FileMode) {
		p := filepath.Join(dir, name)
		err = errors.Join(err, os.MkdirAll(p, 0o755), os.Chown(p, ids[owner], ids["g:"+group]), os.Chmod(p, mode))
	}
	folder("", "", "", 0o755)
	folder("conf", "", "", 0o755)
	folder("data", "postfix", "", 0o700)
	folder("log", "postfix", "", 0o755)
	folder("queue", "", "", 0o755)
	for _, q := range queue {
		folder(filepath.Join("queue", q.name), q.owner, q.group, q.mode)
	}
	err = errors.Join(err,
		os.WriteFile(filepath.Join(i.Config(), "main.cf"), []byte(mainCF), 0o644),
		os.WriteFile(filepath.Join(i.Config(), "master.cf"), []byte(masterCF), 0o644),
		os.Chmod(filepath.Join(i.Config(), "main.cf"), 0o644), os.Chmod(filepath.Join(i.Config(), "master.cf"), 0o644), // whatever the umask
		i.Cool())
	if err != nil {
		return nil, fmt.Errorf("creating a private Postfix: %w", err)
	}
	return i, nil
}

// owners looks up the two accounts that Postfix needs ("" is root); main.cf may
// name others than the usual ones (postconf(5), mail_owner and setgid_group).
func owners(main *maincf.File) (map[string]int, error) {
	name := func(parameter, usual string) string {
		if e, ok := main.Get(parameter); ok && e.Value != "" {
			return e.Value
		}
		return usual
	}
	ids := map[string]int{"": 0, "g:": 0}
	u, err := user.Lookup(name("mail_owner", "postfix"))
	if err != nil {
		return nil, err
	}
	g, err := user.LookupGroup(name("setgid_group", "postdrop"))
	if err != nil {
		return nil, err
	}
	for key, text := range map[string]string{"postfix": u.Uid, "g:postdrop": g.Gid} {
		if ids[key], err = strconv.Atoi(text); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// Cool sets the time of main.cf back: Postfix programs re-read a main.cf
// younger than two seconds until it is older (dict_load_file_xt in the source).
func (i *Instance) Cool() error {
	then := time.Now().Add(-10 * time.Second)
	return os.Chtimes(filepath.Join(i.Config(), "main.cf"), then, then)
}

// Start runs the master directly, which skips the checks of `postfix start`
// and is several times faster. The instance ends by itself after life, even
// if this process is killed.
func (i *Instance) Start(ctx context.Context, life time.Duration) error {
	out, err := host.Local{}.Run(ctx, "postconf", "-c", i.Config(), "-xh", "daemon_directory", "queue_directory", "data_directory")
	if err == nil && out.Code != 0 {
		err = fmt.Errorf("postconf ended with %d: %.200s", out.Code, out.Stderr)
	}
	if err != nil {
		return fmt.Errorf("starting a private Postfix: %w", err)
	}
	dirs := strings.Split(strings.TrimSpace(out.Stdout), "\n")
	if len(dirs) != 3 || dirs[1] != filepath.Join(i.Dir, "queue") || dirs[2] != filepath.Join(i.Dir, "data") {
		return fmt.Errorf("starting a private Postfix: it would not have its own queue and data directories: %q", dirs)
	}
	i.daemons = dirs[0]
	cmd := exec.Command(filepath.Join(i.daemons, "master"), "-c", i.Config(), "-d", "-e", strconv.Itoa(max(1, int(life.Seconds()))))
	cmd.Env = append(host.Environ(), "MAIL_CONFIG="+i.Config())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting a private Postfix: %w", err)
	}
	i.master, i.waited = cmd, make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(i.waited)
	}()
	if err := i.startLog(ctx); err != nil {
		i.Stop()
		return fmt.Errorf("starting a private Postfix: %w", err)
	}
	return nil
}

// logTime is how long the log daemon has to write its first line, also on a busy machine.
const logTime = 30 * time.Second

// startLog returns when postlogd writes what it is sent. It must run before the other
// daemons do: while it starts, it sends what it has to say about main.cf to its own
// socket, and where the others have filled that one, it waits for itself for ever, and
// they for it (pre_jail_init in postlogd.c; seen with Postfix 3.5).
func (i *Instance) startLog(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, logTime)
	defer cancel()
	socket := &net.UnixAddr{Name: filepath.Join(i.Dir, "queue", "public", "postlog"), Net: "unixgram"}
	line := fmt.Sprintf("%s localhost postfix-private/postlog[%d]: the log is open\n", time.Now().Format(time.Stamp), os.Getpid())
	sent := false
	for {
		if !sent {
			if c, err := net.DialUnix("unixgram", nil, socket); err == nil {
				_, err = c.Write([]byte(line))
				sent = err == nil
				_ = c.Close()
			}
		}
		if info, err := os.Stat(i.LogPath()); err == nil && info.Size() > 0 {
			return nil
		}
		select {
		case <-i.waited:
			return fmt.Errorf("it ended at once; its log says: %s", i.lastLog())
		case <-ctx.Done():
			return fmt.Errorf("it does not write its log: %w", ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// WaitFor returns when addr accepts connections.
func (i *Instance) WaitFor(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	for {
		c, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", addr)
		if err == nil {
			return c.Close()
		}
		select {
		case <-i.waited:
			return fmt.Errorf("the private Postfix ended at once; its log says: %s", i.lastLog())
		case <-ctx.Done():
			return fmt.Errorf("the private Postfix does not listen on %s: %w", addr, err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (i *Instance) lastLog() string {
	b, err := os.ReadFile(i.LogPath())
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return lines[len(lines)-1]
}

// stopTime is how long the daemons have to end by themselves. They have nothing to
// lose, and a person may be waiting.
const stopTime = 300 * time.Millisecond

// Stop ends the master and all its daemons. It is safe to call twice.
func (i *Instance) Stop() {
	if i.master == nil {
		return
	}
	_ = syscall.Kill(-i.master.Process.Pid, syscall.SIGTERM)
	select {
	case <-i.waited:
	case <-time.After(stopTime):
		_ = syscall.Kill(-i.master.Process.Pid, syscall.SIGKILL)
		<-i.waited
	}
	i.master = nil
}
