// Package report turns findings, plans and receipts into text and JSON.
//
// It makes no decisions. Whatever came from outside (names in certificates,
// banners, DNS, log lines, the configuration itself) goes through Clean
// before it reaches a terminal.
package report

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"postseal/internal/hint"
)

// Clean makes text safe for a terminal: control characters, and those that
// change the direction of writing, become visible. Line ends stay.
func Clean(s string) string {
	if !strings.ContainsFunc(s, unsafe) && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\t':
			b.WriteString("    ")
		case r == '\r':
			b.WriteString("␍")
		case r == utf8.RuneError:
			b.WriteString("�")
		case unsafe(r):
			fmt.Fprintf(&b, "\\u%04x", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// oneLine is Clean for text that is one line and must stay one: a name with a
// line end in it could otherwise draw a line that we never printed.
func oneLine(s string) string {
	return strings.ReplaceAll(Clean(strings.TrimRight(s, "\n")), "\n", "␊")
}

func unsafe(r rune) bool {
	return r != '\n' && hint.Hidden(r) || r == utf8.RuneError
}

// Printer writes text reports.
type Printer struct {
	W io.Writer
	// Color uses the sixteen colours of the terminal.
	Color bool
	// Live says that W is a terminal, on which a line can be written over.
	Live bool
	// Width is the number of columns; 0 is 80.
	Width int
	// Program is whose errors they are; empty is postseal.
	Program string
}

func (p Printer) width() int {
	if p.Width <= 0 {
		return 80
	}
	return p.Width
}

// printf writes a line of cleaned parts. Styled ones are made by paint.
func (p Printer) printf(format string, args ...any) {
	for i, a := range args {
		switch v := a.(type) {
		case string:
			args[i] = oneLine(v)
		case error:
			args[i] = oneLine(v.Error())
		case painted:
			args[i] = string(v)
		}
	}
	fmt.Fprintf(p.W, format, args...)
}

// painted is text that is clean already and may carry colours.
type painted string

type colour string

const (
	red    colour = "31"
	green  colour = "32"
	yellow colour = "33"
	bold   colour = "1"
	quiet  colour = "90"
)

func (p Printer) paint(c colour, s string) painted {
	s = oneLine(s)
	if !p.Color || s == "" {
		return painted(s)
	}
	return painted("\x1b[" + string(c) + "m" + s + "\x1b[0m")
}

// Signs stand beside every colour, so that nothing is lost without it.
const (
	signGood = "✓"
	signNote = "!"
	signBad  = "✗"
)

func (p Printer) good() painted { return p.paint(green, signGood) }
func (p Printer) note() painted { return p.paint(yellow, signNote) }
func (p Printer) bad() painted  { return p.paint(red, signBad) }

// Wrap breaks text into lines of at most width columns, at blanks.
func Wrap(text string, width int) []string {
	var out []string
	for _, paragraph := range strings.Split(text, "\n") {
		line := ""
		for _, w := range strings.Fields(paragraph) {
			switch {
			case line == "":
				line = w
			case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(w) > width:
				out = append(out, line)
				line = w
			default:
				line += " " + w
			}
		}
		out = append(out, line)
	}
	return out
}

// piped says that W is no terminal, and nobody has set a width: a statement is one line
// there, for grep and logs.
func (p Printer) piped() bool { return p.Width <= 0 && !p.Live }

// signed prints a statement after its sign.
func (p Printer) signed(sign painted, format string, args ...any) {
	text := oneLine(fmt.Sprintf(format, args...))
	if p.piped() {
		p.printf("%s %s\n", sign, text)
		return
	}
	p.indented(sign+" ", 2, text)
}

// indented prints a wrapped paragraph, the first line after lead, the others
// under it.
func (p Printer) indented(lead painted, indent int, text string) {
	p.message(lead, indent, oneLine(text))
}

// command prints a command that can be pasted. Its line is not broken, whatever the width.
func (p Printer) command(indent int, line string) {
	fmt.Fprintf(p.W, "%s%s\n", strings.Repeat(" ", indent), oneLine(line))
}

// message is indented for text that may have several lines, as errors have.
func (p Printer) message(lead painted, indent int, text string) {
	lines := Wrap(Clean(strings.TrimRight(text, "\n")), max(20, p.width()-indent))
	for i, l := range lines {
		if i == 0 {
			fmt.Fprintf(p.W, "%s%s\n", lead, l)
			continue
		}
		fmt.Fprintf(p.W, "%s%s\n", strings.Repeat(" ", indent), l)
	}
}
