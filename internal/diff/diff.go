// Package diff compares two texts line by line and keeps, beside each line
// that comes or goes, the reason for it.
//
// It does not know what the texts are, and it does not print to a terminal:
// colours and columns are the front end's.
package diff

import (
	"fmt"
	"strings"

	"github.com/aymanbagabas/go-udiff"
)

// Op says what happens to a line.
type Op byte

// The operations, as a unified diff writes them.
const (
	Keep   Op = ' '
	Add    Op = '+'
	Remove Op = '-'
)

// Line is one line of a hunk.
type Line struct {
	Op Op
	// Text is the line without its line end.
	Text string
	// Why is the reason, and Source who says so; empty if there is none.
	Why, Source string
	// noEnd is true for a last line without a newline.
	noEnd bool
}

// Hunk is a stretch of changes with the lines around it.
type Hunk struct {
	// From and To are the numbers of its first line before and after, from 1.
	From, To int
	Lines    []Line
}

// File is the comparison of one file.
type File struct {
	Path           string
	Hunks          []Hunk
	Added, Removed int
}

// Reason explains a line that comes or goes.
type Reason func(op Op, text string) (why, source string)

// context is how many unchanged lines stand around a change.
const context = 3

// Compare compares two contents of a file.
func Compare(path, before, after string, reason Reason) (File, error) {
	f := File{Path: path}
	before, after, skipped := trim(before, after)
	u, err := udiff.ToUnifiedDiff(path, path, before, udiff.Lines(before, after), context)
	if err != nil {
		return f, fmt.Errorf("comparing %s: %w", path, err)
	}
	for _, h := range u.Hunks {
		out := Hunk{From: skipped + h.FromLine, To: skipped + h.ToLine}
		for _, l := range h.Lines {
			line := Line{Op: Keep}
			switch l.Kind {
			case udiff.Insert:
				line.Op = Add
				f.Added++
			case udiff.Delete:
				line.Op = Remove
				f.Removed++
			}
			line.Text = strings.TrimSuffix(l.Content, "\n")
			line.noEnd = line.Text == l.Content
			if line.Op != Keep && reason != nil {
				line.Why, line.Source = reason(line.Op, line.Text)
			}
			out.Lines = append(out.Lines, line)
		}
		f.Hunks = append(f.Hunks, out)
	}
	return f, nil
}

// trim cuts the lines that both texts start with and end with, but for the
// context: comparing what is left takes as long as the change is, not as long
// as the file. skipped is the number of lines cut at the start.
func trim(before, after string) (b, a string, skipped int) {
	n := 0
	for n < min(len(before), len(after)) && before[n] == after[n] {
		n++
	}
	head := before[:n]
	for range context + 1 { // one more: the line of the first difference
		head = head[:strings.LastIndexByte(strings.TrimSuffix(head, "\n"), '\n')+1]
	}
	before, after = before[len(head):], after[len(head):]
	n = 0
	for n < min(len(before), len(after)) && before[len(before)-1-n] == after[len(after)-1-n] {
		n++
	}
	tail := before[len(before)-n:]
	for range context + 1 {
		_, tail, _ = strings.Cut(tail, "\n")
	}
	return strings.TrimSuffix(before, tail), strings.TrimSuffix(after, tail), strings.Count(head, "\n")
}

// Header is the line that starts a hunk: "@@ -1,3 +1,4 @@".
func (h Hunk) Header() string {
	var from, to int
	for _, l := range h.Lines {
		if l.Op != Add {
			from++
		}
		if l.Op != Remove {
			to++
		}
	}
	return fmt.Sprintf("@@ -%s +%s @@", span(h.From, from), span(h.To, to))
}

// span is "line,count"; for no lines, the line before (GNU diffutils manual,
// "Detailed Description of Unified Format").
func span(line, count int) string {
	switch count {
	case 1:
		return fmt.Sprint(line)
	case 0:
		return fmt.Sprintf("%d,0", line-1)
	}
	return fmt.Sprintf("%d,%d", line, count)
}

// Unified is the comparison in the form that patch(1) reads, without reasons.
func (f File) Unified() string {
	if len(f.Hunks) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "--- %s\n+++ %s\n", f.Path, f.Path)
	for _, h := range f.Hunks {
		b.WriteString(h.Header() + "\n")
		for _, l := range h.Lines {
			b.WriteString(string(l.Op) + l.Text + "\n")
			if l.noEnd {
				b.WriteString("\\ No newline at end of file\n")
			}
		}
	}
	return b.String()
}
