package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"
	"time"

	"fwknopd/policy/replay"
)

func TestJudgeDigests(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for _, c := range []struct {
		name    string
		content replay.Content
		err     error
		want    string
	}{
		{"messages", replay.Content{Records: 3, Horizon: now.Add(-time.Hour)}, nil, ok},
		{"none yet", replay.Content{}, fs.ErrNotExist, ok},
		{"too large", replay.Content{}, fmt.Errorf("x: %w", replay.ErrTooLarge), fix},
		{"of another user", replay.Content{}, errors.New("belongs to user 7"), fix},
		{"no records", replay.Content{Skipped: 2, First: 1, Reason: errors.New("x")}, nil, warning},
		{"horizon to come", replay.Content{Horizon: now.Add(time.Hour)}, nil, fix},
	} {
		list := judgeDigests("digest.cache", c.content, c.err, now)
		if got := states(list); got != c.want || (got != ok) == (list[0].Fix == "") {
			t.Errorf("%s: %+v, want %s", c.name, list, c.want)
		}
	}
}

func TestCutCommand(t *testing.T) {
	for text, want := range map[string][2]string{
		"/a: may be written by others than its owner (mode 0777): chmod go-w /a":  {"/a: may be written by others than its owner (mode 0777)", "chmod go-w /a"},
		"/a belongs to bob (uid 7), not to root: chown root /a; if he removes it": {"/a belongs to bob (uid 7), not to root; if he removes it", "chown root /a"},
		"a.conf:3: no KEY": {"a.conf:3: no KEY", ""},
	} {
		if rest, command := cutCommand(text); rest != want[0] || command != want[1] {
			t.Errorf("%s: %q, %q", text, rest, command)
		}
	}
}
