package probe

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

// What goes wrong on the way, told apart: a server that is silent, one that
// hangs up, and one that says what it should not need different cures.
var (
	errSilent  = errors.New("timeout: no more data")
	errHungUp  = errors.New("the server disconnected")
	errTooMuch = fmt.Errorf("the server sent more than %d KiB", maxText>>10)
	errNotTLS  = errors.New("the answer is not TLS")
	errMangled = errors.New("the answer is invalid TLS")
)

// maxText bounds what a server may say on a connection until TLS has begun, and
// again after, in bytes.
const maxText = 64 << 10

// maxLine bounds one line of it. RFC 5321, section 4.5.3.1.5, allows 512.
const maxLine = 4 << 10

// verdict says in our words what a connection died of.
func verdict(err error) error {
	var record tls.RecordHeaderError
	var network net.Error
	switch {
	case errors.As(err, &record):
		return errNotTLS
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return fmt.Errorf("%w (%w)", errSilent, err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return fmt.Errorf("%w (%w)", errHungUp, err)
	}
	return err
}

// conversation is a connection with its SMTP side.
type conversation struct {
	net.Conn
	addr   string
	in     *bufio.Reader
	left   int // bytes that may still be said
	forget func() bool
}

// dialer does not keep connections alive that are over in a moment.
var dialer = net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: false}, KeepAlive: -1}

func open(ctx context.Context, t Target, o Options) (*conversation, error) {
	timeout := o.Timeout
	if timeout == 0 {
		timeout = 10 * time.Second
	}
	whole := ctx
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	dial := o.Dial
	if dial == nil {
		dial = dialer.DialContext
	}
	conn, err := dial(ctx, "tcp", t.Addr)
	if err != nil {
		return nil, &Error{t.Addr, Connecting, err}
	}
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, errors.Join(&Error{t.Addr, Connecting, err}, conn.Close())
	}
	if t.Proxy {
		if _, err := io.WriteString(conn, "PROXY TCP4 127.0.0.1 127.0.0.1 1025 25\r\n"); err != nil {
			return nil, errors.Join(&Error{t.Addr, Connecting, err}, conn.Close())
		}
	}
	c := &conversation{addr: t.Addr}
	c.use(conn)
	// Whoever waits for an answer stops waiting when ctx ends.
	c.forget = context.AfterFunc(whole, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	return c, nil
}

// Close leaves.
func (c *conversation) Close() error {
	c.forget()
	readers.Put(c.in)
	c.in = nil
	return c.Conn.Close()
}

// use makes conn the connection that commands go over.
func (c *conversation) use(conn net.Conn) {
	c.Conn, c.left = conn, maxText
	if c.in == nil {
		c.in = readers.Get().(*bufio.Reader)
	}
	c.in.Reset(conn)
}

// readers are used again: there are hundreds of conversations, four at a time.
var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, maxLine) }}

// HeloName is the name by which a probe greets a server.
const HeloName = "postseal.invalid"

// hello reads the greeting and says EHLO.
func (c *conversation) hello(r *Result) error {
	greeting, err := c.reply(220)
	if err != nil {
		return &Error{c.addr, Greeting, err}
	}
	r.Greeting = greeting
	if r.Capabilities, err = c.ehlo(); err != nil {
		return &Error{c.addr, EHLO, err}
	}
	return nil
}

// ehlo says EHLO and returns what is listed.
func (c *conversation) ehlo() ([]string, error) {
	reply, err := c.command("EHLO "+HeloName, 250)
	if err != nil {
		return nil, err
	}
	return strings.Split(reply, "\n")[1:], nil
}

func (c *conversation) command(line string, want int) (string, error) {
	if _, err := io.WriteString(c.Conn, line+"\r\n"); err != nil {
		return "", verdict(err)
	}
	return c.reply(want)
}

// reply reads one reply (RFC 5321, section 4.2.1) and returns its text, a line
// for each of its lines. Another code than the wanted one is a *textproto.Error.
func (c *conversation) reply(want int) (string, error) {
	var text strings.Builder
	code := 0
	for first := true; ; first = false {
		line, err := c.line()
		if err != nil {
			return "", err
		}
		n, last, rest, ok := replyLine(line)
		switch {
		case !ok:
			return "", fmt.Errorf("the server sent %.80q, which is not an SMTP reply", line)
		case !first && n != code:
			return "", fmt.Errorf("lines of one reply begin with %03d and %03d", code, n)
		}
		if code = n; !first {
			text.WriteByte('\n')
		}
		text.Write(rest)
		if last {
			break
		}
	}
	if code != want {
		return "", &textproto.Error{Code: code, Msg: text.String()}
	}
	return text.String(), nil
}

// line reads one line, without its end. It is valid until the next one is read.
func (c *conversation) line() ([]byte, error) {
	line, err := c.in.ReadSlice('\n')
	c.left -= len(line)
	switch {
	case c.left < 0:
		return nil, errTooMuch
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, fmt.Errorf("the server sent a line of more than %d KiB", maxLine>>10)
	case err != nil:
		return nil, verdict(err)
	}
	line = line[:len(line)-1]
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line, nil
}

// replyLine takes a line of a reply apart. A code alone, without a blank, ends
// a reply too.
func replyLine(line []byte) (code int, last bool, text []byte, ok bool) {
	if len(line) < 3 || line[0] < '2' || line[0] > '5' {
		return 0, false, nil, false
	}
	for _, digit := range line[:3] {
		if digit < '0' || digit > '9' {
			return 0, false, nil, false
		}
		code = 10*code + int(digit-'0')
	}
	if len(line) == 3 {
		return code, true, nil, true
	}
	if line[3] != ' ' && line[3] != '-' {
		return 0, false, nil, false
	}
	return code, line[3] == ' ', line[4:], true
}
