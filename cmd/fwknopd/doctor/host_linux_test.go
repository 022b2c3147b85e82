package doctor

import (
	"strings"
	"testing"
)

func TestJudgeRights(t *testing.T) {
	for status, want := range map[string]string{
		"Name:\tx\nCapEff:\t000001ffffffffff\nCapBnd:\t0\n": ok,
		"Name:\tx\nCapEff:\t0000000000001000\n":             fix, // NET_ADMIN alone
		"Name:\tx\nCapEff:\t0000000000000000\n":             fix + " " + fix,
		"Name:\tx\n":                                        warning,
	} {
		if got := states(judgeRights(status)); got != want {
			t.Errorf("%s: %s, want %s", strings.ReplaceAll(status, "\n", " "), got, want)
		}
	}
}
