package conf

import "strings"

// nearest is the spelling most like name, "" if none is like it.
func nearest(f File, name string) string {
	words := make([]string, 0, len(names[f]))
	for i := range tableOf(f) {
		k := &tableOf(f)[i]
		words = append(words, k.Name)
		for _, a := range k.Aliases {
			words = append(words, a.Name)
		}
	}
	return nearestOf(name, words)
}

// Nearest is the keyword most like name in either file, "" if none is like it.
func Nearest(name string) string {
	if n := nearest(ServerFile, name); n != "" {
		return n
	}
	return nearest(AccessFile, name)
}

// nearestOf is the word with the fewest edits from name, where a common beginning
// counts for a word; the first one of several. At most a third of the letters may be
// wrong, and two more behind a common beginning: names are also cut short.
func nearestOf(name string, words []string) string {
	if name == "" || len(name) > 64 {
		return ""
	}
	const prefix = 6
	best, bestScore := "", 1<<30
	for _, w := range words {
		if strings.EqualFold(w, name) {
			return w
		}
		same := commonPrefix(name, w)
		most := max(1, len(name)/3)
		if same >= min(prefix, len(name)) {
			most += 2
		}
		if d := len(w) - len(name); d > most || -d > most {
			continue
		}
		d := distance(strings.ToUpper(name), strings.ToUpper(w))
		if score := 2*d - min(same, prefix); d <= most && score < bestScore {
			best, bestScore = w, score
		}
	}
	return best
}

func commonPrefix(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// distance counts insertions, deletions, substitutions and swaps of neighbours.
func distance(a, b string) int {
	var rows [3][]int
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
	}
	for j := range rows[1] {
		rows[1][j] = j
	}
	for i := 1; i <= len(a); i++ {
		two, one, row := rows[0], rows[1], rows[2]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(one[j]+1, row[j-1]+1, one[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], two[j-2]+1)
			}
		}
		rows[0], rows[1], rows[2] = one, row, two
	}
	return rows[1][len(b)]
}
