package worker

import (
	"encoding/json"
	"testing"
	"time"

	"fwknopd/ingest"
)

func TestResume(t *testing.T) {
	p := positions{Time: now, Places: map[string]ingest.State{"KNOCK": {Inode: 7, Offset: 99}}}
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if s := resume(text, now.Add(time.Minute)).Places["KNOCK"]; s.Offset != 99 {
		t.Errorf("after a minute: %+v", s)
	}
	for _, at := range []time.Time{now.Add(time.Hour), now.Add(-time.Hour)} {
		if len(resume(text, at).Places) != 0 {
			t.Errorf("%v: goes on where it stopped long ago", at)
		}
	}
	if len(resume([]byte("junk"), now).Places) != 0 {
		t.Error("junk is a position")
	}
}
