package hint

import "strings"

// Near reports whether two names differ by two letters at most (Levenshtein), or
// one is the beginning of the other.
func Near(known, typed string) bool {
	if len(typed) < 3 || len(typed) > 40 {
		return false
	}
	return distance(known, typed) <= 2 || strings.HasPrefix(known, typed) || strings.HasPrefix(typed, known)
}

// Nearest is the name that was probably meant, or empty.
func Nearest(known []string, typed string) (nearest string) {
	for _, name := range known {
		if Near(name, typed) && (nearest == "" || distance(name, typed) < distance(nearest, typed)) {
			nearest = name
		}
	}
	return nearest
}

// distance is how many letters differ (Levenshtein).
func distance(known, typed string) int {
	row := make([]int, len(typed)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(known) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(typed) {
			cost := 1
			if known[i] == typed[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(typed)]
}
