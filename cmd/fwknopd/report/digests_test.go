package report

import (
	"testing"
	"time"
)

func TestDigestsLost(t *testing.T) {
	at := time.Date(2026, 11, 22, 12, 0, 0, 500_000_000, time.UTC)
	if got, want := DigestsLostText("it is \"gone\"", at.Add(500*time.Millisecond)),
		`digests may be lost: it is "gone": messages sent before 2026-11-22T12:00:01Z are refused`; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if got, want := string(DigestsLostJSON(at, "it is \"gone\"", at.Add(500*time.Millisecond))),
		`{"v":1,"timestamp":"2026-11-22T12:00:00.500000Z","event_type":"monitor","verdict":"digests.lost","error":"it is \"gone\"","refused_before":"2026-11-22T12:00:01Z"}`; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}
