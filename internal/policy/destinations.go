package policy

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"postseal/internal/hint"
)

// ReadDestinations reads a list of destinations: on each line a domain, and optionally how
// many messages went there and when the last one did. Lines with # are comments.
func ReadDestinations(r io.Reader) (out []Destination, err error) {
	lines := bufio.NewScanner(io.LimitReader(r, maxState))
	lines.Buffer(make([]byte, 4096), 4096)
	for n := 1; lines.Scan(); n++ {
		words := strings.Fields(lines.Text())
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		bad := func(what string) error {
			return hint.New(fmt.Sprintf("line %d: %s", n, what), "write DOMAIN, or DOMAIN MESSAGES, or DOMAIN MESSAGES DATE on each line: example.org 412 2026-11-30")
		}
		d := Destination{}
		var ok bool
		if d.Name, ok = Name(words[0]); !ok {
			return nil, bad(fmt.Sprintf("%.80q is not a domain", words[0]))
		}
		if len(words) > 1 {
			if d.Messages, err = strconv.Atoi(words[1]); err != nil || d.Messages < 0 {
				return nil, bad(fmt.Sprintf("%.80q is not a number of messages", words[1]))
			}
		}
		if len(words) > 2 {
			if d.Last, err = time.Parse(time.DateOnly, words[2]); err != nil {
				return nil, bad(fmt.Sprintf("%.80q is not a date", words[2]))
			}
		}
		if out = append(out, d); len(out) > Most {
			return nil, bad(fmt.Sprintf("there are more than %d destinations", Most))
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading the destinations: %w", err)
	}
	return out, nil
}
