package diff

import (
	"strings"

	"github.com/aymanbagabas/go-udiff"
)

// Merge makes two changes of one text into one, as diff3(1) does. Where both
// touch the same lines, mine wins and clean is false. What both put in the same
// place stands one after the other, theirs last.
func Merge(base, mine, theirs string) (text string, clean bool) {
	a, b := udiff.Lines(base, mine), udiff.Lines(base, theirs)
	var out strings.Builder
	put := func(s string) {
		// A last line without its end is the last no more.
		if done := out.String(); s != "" && done != "" && !strings.HasSuffix(done, "\n") {
			out.WriteByte('\n')
		}
		out.WriteString(s)
	}
	clean = true
	at := 0
	for len(a) > 0 || len(b) > 0 {
		var next udiff.Edit
		switch {
		case len(b) > 0 && meets(a, b[0]):
			if !same(a, b[0]) {
				clean = false
			}
			b = b[1:]
			continue
		case len(b) == 0 || len(a) > 0 && before(a[0], b[0]):
			next, a = a[0], a[1:]
		default:
			next, b = b[0], b[1:]
		}
		put(base[at:next.Start])
		put(next.New)
		at = next.End
	}
	put(base[at:])
	return out.String(), clean
}

// meets reports whether an edit touches lines that one of the others touches.
func meets(others []udiff.Edit, e udiff.Edit) bool {
	for _, o := range others {
		overlap := max(o.Start, e.Start) < min(o.End, e.End)
		within := o.Start < e.Start && e.Start < o.End || e.Start < o.Start && o.Start < e.End
		if overlap || within || o == e {
			return true
		}
	}
	return false
}

func same(others []udiff.Edit, e udiff.Edit) bool {
	for _, o := range others {
		if o == e {
			return true
		}
	}
	return false
}

// before is the order of two edits that do not meet: what is put in before a
// line comes before what becomes of the line.
func before(a, b udiff.Edit) bool {
	return a.Start < b.Start || a.Start == b.Start && a.End <= b.End
}
