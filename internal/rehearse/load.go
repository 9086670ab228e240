package rehearse

import (
	"context"
	"fmt"
	"time"

	"postseal/internal/hint"
	"postseal/internal/probe"
)

// Load starts a private smtpd with a chain file, and returns the SHA-256 of
// the leaf that it shows. A file that Postfix refuses is an error with its own
// words. It needs root; the file must be readable by root alone.
func Load(ctx context.Context, path string, o Options) (fingerprint string, err error) {
	dir, remove, err := o.place()
	if err != nil {
		return "", fmt.Errorf("trying %s: %w", path, err)
	}
	defer remove()
	port, err := Reserve()
	if err != nil {
		return "", err
	}
	defer port.Close()
	i, err := Create(dir, Base(dir, "")+"smtpd_tls_security_level = may\nsmtpd_tls_chain_files = "+path+"\n", port.Addr+" inet n - n - - smtpd\n"+BaseServices)
	if err != nil {
		return "", fmt.Errorf("trying %s: %w", path, err)
	}
	if err := i.Start(ctx, time.Minute); err != nil {
		return "", err
	}
	defer i.Stop()
	if err := i.WaitFor(ctx, port.Addr); err != nil {
		return "", err
	}
	r, err := probe.Handshake(ctx, probe.Target{Addr: port.Addr}, probe.Options{})
	if err != nil {
		return "", hint.New(fmt.Sprintf("a Postfix with this file does not do TLS: %v; its log says: %.300s", err, i.lastLog()), hint.ShellLine([]string{"postseal", "cert", "inspect", path}))
	}
	return r.Fingerprint(), nil
}
