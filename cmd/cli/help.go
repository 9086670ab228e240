package cli

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"postseal/internal/report"
)

// helps makes the help of root, and of its verbs, fit the terminal, or 80 columns on a
// pipe: a pager is read on a terminal too.
func (r *Run) helps(root *cobra.Command) {
	help := root.HelpFunc()
	root.SetHelpFunc(func(c *cobra.Command, args []string) {
		width := r.Printer(r.Out).Width
		if width <= 0 {
			width = 80
		}
		var text bytes.Buffer
		c.SetOut(&text)
		help(c, args)
		c.SetOut(r.Out)
		fmt.Fprint(r.Out, fitted(text.String(), width))
	})
}

// column is what stands before the explanation of a flag, a verb or an exit code.
var column = regexp.MustCompile(`^ +\S.*?(  +|$)`)

// fitted is help at most so many columns wide: a paragraph that is wider is filled
// anew, and an explanation stays in its column if that leaves it room.
func fitted(text string, width int) string {
	long := func(line string) bool { return utf8.RuneCountInString(line) > width }
	var out strings.Builder
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for len(lines) > 0 {
		n := 1
		if prose(lines[0]) {
			for n < len(lines) && prose(lines[n]) {
				n++
			}
		}
		group := lines[:n]
		lines = lines[n:]
		switch {
		case !slices.ContainsFunc(group, long):
			out.WriteString(strings.Join(group, "\n") + "\n")
		case prose(group[0]):
			out.WriteString(strings.Join(report.Wrap(strings.Join(group, " "), width), "\n") + "\n")
		default:
			lead := column.FindString(group[0])
			rest := group[0][len(lead):]
			indent := utf8.RuneCountInString(lead)
			if rest == "" { // a line without columns
				rest = strings.TrimLeft(lead, " ")
				lead = lead[:len(lead)-len(rest)]
				indent = len(lead)
			} else if indent > width/2 {
				out.WriteString(strings.TrimRight(lead, " ") + "\n")
				lead, indent = strings.Repeat(" ", 10), 10
			}
			room := max(20, width-indent)
			if slices.ContainsFunc(strings.Fields(rest), func(w string) bool { return utf8.RuneCountInString(w) > room }) {
				rest = strings.ReplaceAll(rest, "|", " | ") // the values of a flag, which are one word
			}
			for i, l := range report.Wrap(rest, room) {
				if i > 0 {
					lead = strings.Repeat(" ", indent)
				}
				out.WriteString(lead + l + "\n")
			}
		}
	}
	return out.String()
}

// prose is a line of a paragraph.
func prose(line string) bool { return line != "" && line[0] != ' ' }
