package audit

import (
	"slices"

	"postseal/internal/detect"
	"postseal/internal/hint"
)

// access finds weaknesses of some kinds in the owners and modes of files that hold
// one of these. A folder that leads to several files is told of once, by the rule
// for what comes first in detect.Holdings.
func access(kinds []detect.WeaknessKind, holdings ...detect.Holding) Check {
	ours := func(a detect.Access) bool { return slices.Contains(holdings, a.Held) }
	find := func(e *Evidence) (out []Hit) {
		type place struct {
			path string
			kind detect.WeaknessKind
		}
		told := map[place]bool{}
		for _, held := range detect.Holdings {
			for _, a := range e.Access {
				if a.Held != held {
					continue
				}
				for _, w := range a.Weaknesses {
					at := place{w.Path, w.Kind}
					if told[at] {
						continue
					}
					told[at] = true
					if !ours(a) || !slices.Contains(kinds, w.Kind) {
						continue
					}
					text := w.Text
					if w.Path != a.Path {
						text += "; it leads to " + a.Path
					}
					out = append(out, Hit{Detail: text, At: a.Origin, Remedy: hint.ShellLine(w.Remedy)})
				}
			}
		}
		return out
	}
	// What this user may not see has not been looked for.
	applies := func(e *Evidence) bool {
		unseen := func(a detect.Access) bool { return ours(a) && a.Err != nil }
		return slices.ContainsFunc(e.Access, ours) && (!slices.ContainsFunc(e.Access, unseen) || len(find(e)) > 0)
	}
	return when(applies, find)
}

// theirs are the ways in which one account, or every account, can change a file.
var theirs = []detect.WeaknessKind{detect.StrangerOwns, detect.AccountWrites, detect.EveryoneWrite}

// either finds what one of two checks finds.
func either(a, b Check) Check {
	return when(
		func(e *Evidence) bool { return a.Applies(e) || b.Applies(e) },
		func(e *Evidence) []Hit { return slices.Concat(a.Find(e), b.Find(e)) })
}
