package census

import "encoding/json"

// unwrap returns the line in an entry of Docker's json-file driver, or nil. Its log may
// hold more than one line only where somebody has changed it.
func unwrap(l []byte) []byte {
	if len(l) > MaxLine {
		return nil
	}
	var e struct {
		Log string `json:"log"`
	}
	if json.Unmarshal(l, &e) != nil {
		return nil
	}
	text := []byte(e.Log)
	for i, b := range text {
		if b == '\n' {
			return text[:i]
		}
	}
	return text
}
