//go:build ignore

// Command names_generate writes names.txt: how the locales of the C library call
// months and weekdays, and what Unicode's CLDR calls those that the C library has
// another name for ("marraskuuta"). It needs all locales installed, and Node.js for
// its copy of CLDR (Debian: locales-all, nodejs).
//
//	go run names_generate.go > names.txt
package main

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// leading are the languages whose reading of a name wins where languages differ:
// "lis" is November in Polish and Czech, October in Croatian. Names on which others
// differ among each other are left out.
var leading = []string{"C", "en", "de", "fr", "es", "it", "pt", "nl", "pl", "cs", "ru", "uk", "sv", "nb", "nn", "da", "fi",
	"hu", "tr", "ja", "zh", "ko", "el", "ro", "sk", "bg", "ca", "eu", "id"}

type name struct {
	rank    int // in leading, or its length
	month   int // 0: none, -1: several
	weekday bool
}

func main() {
	names := make(map[string]*name)
	for _, locale := range locales() {
		lang, _, _ := strings.Cut(strings.TrimSuffix(locale, ".utf8"), "_")
		rank := slices.Index(leading, lang)
		if rank < 0 {
			rank = len(leading)
		}
		for _, key := range []string{"mon", "abmon", "alt_mon", "ab_alt_mon"} {
			for i, word := range words(locale, key) {
				addMonth(names, word, i+1, rank)
			}
		}
		for _, key := range []string{"day", "abday"} {
			for _, word := range words(locale, key) {
				entry(names, word, rank).weekday = true
			}
		}
	}
	for _, line := range strings.Split(strings.TrimSpace(run(exec.Command("node", "-e", cldr))), "\n") {
		month, word, _ := strings.Cut(line, "\t")
		m, err := strconv.Atoi(month)
		if err != nil {
			panic(err)
		}
		if m == 0 {
			entry(names, folded(word), len(leading)+1).weekday = true
		} else {
			addMonth(names, folded(word), m, len(leading)+1)
		}
	}
	w := bufio.NewWriter(os.Stdout)
	defer w.Flush()
	for _, text := range slices.Sorted(maps.Keys(names)) {
		n := names[text]
		if n.month < 0 {
			n.month = 0
		}
		if n.month > 0 || n.weekday {
			fmt.Fprintf(w, "%s\t%c%c\n", text, "0123456789abc"[n.month], map[bool]rune{false: '-', true: 'w'}[n.weekday])
		}
	}
}

// cldr writes the months of the languages that systems are installed in, alone and in
// a date, and their weekdays, one a line with the month's number or 0 in front. All of
// CLDR has too many short words.
const cldr = `
const languages = "en de fr es it pt nl pl cs ru uk sv nb nn da fi hu tr ja zh ko el ro sk bg ca eu id hr sl sr sr-Latn bs mk lt lv et " +
	"vi th ms is ga gl cy be kk ka hy az he ar fa hi bn ta te mr uz mn sq af sw lb mt fil km lo my ne si ur gu pa kn ml"
const forms = [{}, {day: "numeric"}, {day: "numeric", year: "numeric"}]
const written = new Set()
for (const lang of languages.split(" ")) {
	for (const width of ["long", "short"])
		for (let day = 1; day <= 7; day++)
			written.add("0\t" + new Intl.DateTimeFormat(lang, {weekday: width, timeZone: "UTC"}).format(Date.UTC(2026, 0, day)))
	for (let month = 0; month < 12; month++)
		for (const form of forms)
			for (const width of ["long", "short"]) {
				const format = new Intl.DateTimeFormat(lang + "-u-ca-gregory-nu-latn", {...form, month: width, timeZone: "UTC"})
				const part = format.formatToParts(Date.UTC(2026, month, 15)).find(p => p.type == "month")
				if (part && !/^[0-9]+$/.test(part.value))
					written.add(month + 1 + "\t" + part.value)
			}
}
console.log([...written].join("\n"))
`

func locales() (all []string) {
	for _, l := range strings.Fields(output("locale", "-a", "C")) {
		if l == "C.utf8" || strings.HasSuffix(l, ".utf8") && !strings.HasPrefix(l, "C") {
			all = append(all, l)
		}
	}
	return all
}

// words returns the names that a locale has under a key, folded as a reader does.
// Those of more than two words are no use in a log, and are empty here.
func words(locale, key string) []string {
	list := strings.Split(strings.TrimSpace(output("locale", key, locale)), ";")
	for i, w := range list {
		list[i] = folded(w)
	}
	return list
}

func folded(w string) string {
	w = strings.TrimSuffix(strings.TrimSpace(w), ".")
	if n := len(strings.Fields(w)); n > 2 || n == 2 && !strings.Contains(w, " ") || len(w) > maxName {
		return ""
	}
	return strings.ReplaceAll(strings.Map(unicode.ToLower, w), "ı", "i")
}

// maxName is that of package parse.
const maxName = 36

func output(command, arg, locale string) string {
	c := exec.Command(command, arg)
	c.Env = append(os.Environ(), "LC_ALL="+locale)
	return run(c)
}

func run(c *exec.Cmd) string {
	out, err := c.Output()
	if err != nil {
		return "" // an older C library has no alt_mon
	}
	return string(out)
}

func entry(names map[string]*name, word string, rank int) *name {
	if word == "" {
		return &name{}
	}
	if names[word] == nil {
		names[word] = &name{rank: rank}
	}
	return names[word]
}

func addMonth(names map[string]*name, word string, month, rank int) {
	n := entry(names, word, rank)
	switch {
	case n.month == 0 || rank < n.rank:
		n.month, n.rank = month, rank
	case n.month != month && rank == n.rank:
		fmt.Fprintf(os.Stderr, "%s: %d or %d\n", word, n.month, month)
		n.month = -1
	case n.month != month:
		fmt.Fprintf(os.Stderr, "%s: %d, not %d\n", word, n.month, month)
	}
}
