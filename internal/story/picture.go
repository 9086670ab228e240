package story

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"

	uv "github.com/charmbracelet/ultraviolet"
	"github.com/go-fonts/dejavu/dejavusansmono"
	"github.com/go-fonts/dejavu/dejavusansmonobold"
	"golang.org/x/image/font"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// cell is one character of the screen as it looks.
type cell struct {
	text   string
	width  int
	fg, bg color.Color
	bold   bool
}

func (t *Term) cells() [][]cell {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([][]cell, t.h)
	for y := range out {
		for x := 0; x < t.w; {
			k := cell{text: " ", width: 1, fg: t.emu.ForegroundColor(), bg: t.emu.BackgroundColor()}
			if c := t.emu.CellAt(x, y); c != nil && c.Content != "" {
				k.text, k.width = c.Content, max(1, c.Width)
				if c.Style.Fg != nil {
					k.fg = c.Style.Fg
				}
				if c.Style.Bg != nil {
					k.bg = c.Style.Bg
				}
				k.bold = c.Style.Attrs&uv.AttrBold != 0
				if c.Style.Attrs&uv.AttrReverse != 0 {
					k.fg, k.bg = k.bg, k.fg
				}
			}
			out[y] = append(out[y], k)
			x += k.width
		}
	}
	return out
}

// margin is the space around the screen, in pixels.
const margin = 20

// PNG draws the screen with characters of this height in pixels.
func (t *Term) PNG(w io.Writer, size float64) error {
	regular, err := face(dejavusansmono.TTF, size)
	if err != nil {
		return fmt.Errorf("drawing the screen: %w", err)
	}
	bold, err := face(dejavusansmonobold.TTF, size)
	if err != nil {
		return fmt.Errorf("drawing the screen: %w", err)
	}
	advance, _ := regular.GlyphAdvance('M')
	m := regular.Metrics()
	cw, ch := advance.Round(), (m.Ascent + m.Descent).Ceil()
	img := image.NewRGBA(image.Rect(0, 0, t.w*cw+2*margin, t.h*ch+2*margin))
	draw.Draw(img, img.Bounds(), image.NewUniform(t.emu.BackgroundColor()), image.Point{}, draw.Src)
	for y, row := range t.cells() {
		x := 0
		for _, c := range row {
			r := image.Rect(margin+x*cw, margin+y*ch, margin+(x+c.width)*cw, margin+(y+1)*ch)
			draw.Draw(img, r, image.NewUniform(c.bg), image.Point{}, draw.Src)
			f := regular
			if c.bold {
				f = bold
			}
			d := font.Drawer{Dst: img, Src: image.NewUniform(c.fg), Face: f, Dot: fixed.P(r.Min.X, r.Min.Y+m.Ascent.Ceil())}
			d.DrawString(c.text)
			x += c.width
		}
	}
	return png.Encode(w, img)
}

func face(ttf []byte, size float64) (font.Face, error) {
	f, err := opentype.Parse(ttf)
	if err != nil {
		return nil, err
	}
	return opentype.NewFace(f, &opentype.FaceOptions{Size: size, DPI: 72, Hinting: font.HintingFull})
}
