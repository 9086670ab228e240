package census

import (
	"bytes"
	"time"
)

// clock reads the time of a line. Most lines are of the same minute as the line before,
// so that only the seconds are read.
type clock struct {
	now    time.Time // the lines were written before this
	minute []byte    // the stamp up to its last colon
	zone   []byte    // and behind the seconds
	start  int64
	ok     bool
}

// Sizes of stamps: "Nov 30 04:00:00", and "2026-11-30T04:00:00" with what follows.
const (
	traditional = len("Nov 30 04:00:00")
	precise     = len("2026-11-30T04:00:00")
)

// stampEnd returns the length of the stamp with which a line begins, or 0.
func stampEnd(l []byte) int {
	if len(l) < 24 {
		return 0
	}
	if l[0] >= 'A' && l[0] <= 'Z' {
		if l[3] == ' ' && l[6] == ' ' && l[9] == ':' && l[12] == ':' && l[15] == ' ' {
			return traditional
		}
		return 0
	}
	if l[4] != '-' || l[10] != 'T' || l[16] != ':' {
		return 0
	}
	n := bytes.IndexByte(l[:min(len(l), 40)], ' ')
	if n <= precise {
		return 0
	}
	return n
}

// at returns the time of a stamp in seconds. It reports false if there is no such time.
func (c *clock) at(stamp []byte) (int64, bool) {
	to, from := traditional-3, traditional
	if len(stamp) > traditional {
		to, from = precise-3, precise
	}
	a, b := stamp[to+1]-'0', stamp[to+2]-'0'
	if a > 6 || b > 9 || stamp[to] != ':' {
		return 0, false
	}
	zone := stamp[from:]
	if len(zone) > 0 && (zone[0] == '.' || zone[0] == ',') {
		i := 1
		for i < len(zone) && zone[i] >= '0' && zone[i] <= '9' {
			i++
		}
		zone = zone[i:]
	}
	if !bytes.Equal(stamp[:to], c.minute) || !bytes.Equal(zone, c.zone) {
		c.minute, c.zone = append(c.minute[:0], stamp[:to]...), append(c.zone[:0], zone...)
		c.start, c.ok = c.begin()
	}
	return c.start + int64(a)*10 + int64(b), c.ok
}

// begin works out when the minute began. A stamp without a year is of the last such day
// before now, and a day is allowed for clocks that differ.
func (c *clock) begin() (int64, bool) {
	if len(c.minute) > traditional {
		t, err := time.Parse(time.RFC3339, string(c.minute)+":00"+string(c.zone))
		return t.Unix(), err == nil
	}
	for year := c.now.Year() + 1; year > c.now.Year()-9; year-- { // a 29th of February comes every eight years at the least
		t, err := time.ParseInLocation("2006 Jan _2 15:04", time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC).Format("2006 ")+string(c.minute), c.now.Location())
		if err == nil && !t.After(c.now.AddDate(0, 0, 1)) {
			return t.Unix(), true
		}
	}
	return 0, false
}
