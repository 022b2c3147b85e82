package fingerprint

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"fwknopd/parse"
)

// named counts SYNs, and kinds of SYN of a source, that have a name.
type named struct {
	syns, ofSYNs   int
	kinds, ofKinds int
	seen           map[string]bool
}

func (n *named) add(kind string, ok bool) {
	n.ofSYNs++
	if ok {
		n.syns++
	}
	if n.seen[kind] {
		return
	}
	n.seen[kind] = true
	n.ofKinds++
	if ok {
		n.kinds++
	}
}

// p0f3Answers reads what p0f 3.09b said of our captures (p0f3.sh made the file): by
// capture, then by client, "" for nothing.
func p0f3Answers(t *testing.T) map[string]map[string]string {
	t.Helper()
	text, err := os.ReadFile("../fixtures/fingerprint/p0f3.tsv")
	if err != nil {
		t.Fatal(err)
	}
	answers := make(map[string]map[string]string)
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if answers[cells[0]] == nil {
			answers[cells[0]] = make(map[string]string)
		}
		answers[cells[0]][cells[1]] = strings.TrimSuffix(cells[2], "???")
	}
	return answers
}

// Of every capture at least as many SYNs are named as by p0f 3, and as many kinds of
// SYN of a source. One exception: p0f takes what has the TTL of a system for nmap's,
// which starts below 60.
func TestNamedShare(t *testing.T) {
	const leastCaptures = 20
	answers := p0f3Answers(t)
	if len(answers) < leastCaptures {
		t.Fatalf("%d captures", len(answers))
	}
	m := NewMatcher(Default(), DefaultMaxHops)
	all, allTheirs := named{seen: make(map[string]bool)}, named{seen: make(map[string]bool)}
	for capture, byClient := range answers {
		ours, theirs := named{seen: make(map[string]bool)}, named{seen: make(map[string]bool)}
		for _, ev := range readCapture(t, "../"+capture) {
			answer, judged := byClient[client(ev)]
			if !judged || answer == "NMap SYN scan" && ev.TTL >= 60 || answer == "NMap OS detection" && ev.TTL >= 60 {
				continue
			}
			kind := ev.Src.Addr().String() + " " + string(AppendSignature(nil, ev))
			fits := m.MatchID(ev) > Unmatched
			ours.add(kind, fits)
			theirs.add(kind, answer != "")
			all.add(capture+kind, fits)
			allTheirs.add(capture+kind, answer != "")
			if answer != "" && !fits {
				t.Logf("%s: %s: p0f says %s", capture, kind, answer)
			}
		}
		if ours.syns < theirs.syns || ours.kinds < theirs.kinds {
			t.Errorf("%s: of %d SYNs %d are named, p0f 3 names %d; of %d kinds %d and %d",
				capture, ours.ofSYNs, ours.syns, theirs.syns, ours.ofKinds, ours.kinds, theirs.kinds)
		}
	}
	t.Logf("of %d SYNs %d are named, p0f 3 names %d; of %d kinds %d and %d",
		all.ofSYNs, all.syns, allTheirs.syns, all.ofKinds, all.kinds, allTheirs.kinds)
	if 100*all.syns < 95*all.ofSYNs {
		t.Errorf("%d of %d SYNs are named", all.syns, all.ofSYNs)
	}
}

// client writes the sender as p0f does.
func client(ev *parse.Event) string {
	return fmt.Sprintf("%s/%d", ev.Src.Addr(), ev.Src.Port())
}
