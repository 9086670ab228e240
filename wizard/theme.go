package wizard

import (
	"io"

	"github.com/charmbracelet/lipgloss"
)

// theme is how text looks. Colour only stands where it means something, and
// never alone: a sign stands beside it.
type theme struct {
	renderer *lipgloss.Renderer

	accent, quiet, good, caution, bad, strong, plain lipgloss.Style
}

// noColours is termenv.Ascii, as a number: what a terminal can do is not asked
// of the environment then, which can force colours on what is no terminal.
const noColours = 3

// newTheme makes styles for one output. The background counts as dark until
// the terminal has said otherwise.
func newTheme(out io.Writer, noColour, dark bool) theme {
	r := lipgloss.NewRenderer(out)
	r.SetHasDarkBackground(dark)
	if noColour {
		r.SetColorProfile(noColours)
	}
	fg := func(light, dark string) lipgloss.Style {
		return r.NewStyle().Foreground(lipgloss.AdaptiveColor{Light: light, Dark: dark})
	}
	return theme{
		renderer: r,
		accent:   fg("#A4262C", "#E5737A"),
		quiet:    fg("244", "245"),
		good:     fg("28", "78"),
		caution:  fg("130", "214"),
		bad:      fg("160", "203").Bold(true),
		strong:   r.NewStyle().Bold(true),
		plain:    r.NewStyle(),
	}
}

// The signs of the house.
const (
	signGood   = "✓"
	signNote   = "!"
	signBad    = "✗"
	signHere   = "▸"
	signBrand  = "●"
	signLater  = "·"
	signFolded = "…"
)

// sign gives a sign its colour.
func (t theme) sign(s string) string {
	switch s {
	case signGood:
		return t.good.Render(s)
	case signNote:
		return t.caution.Render(s)
	case signBad:
		return t.bad.Render(s)
	}
	return t.quiet.Render(s)
}

// grade is how a letter of the report card looks.
func (t theme) grade(letter string) lipgloss.Style {
	switch letter {
	case "A":
		return t.good
	case "B", "C":
		return t.caution
	case "D", "F":
		return t.bad
	}
	return t.quiet
}
