package daemon

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd/privsep"
)

// Positions that no worker can have reported are not passed on to the next worker, from
// a worker as from the file; those of the last valid report are.
func TestInvalidPositions(t *testing.T) {
	var terminal bytes.Buffer
	d := newTestDaemon(t, "", &terminal)
	places := func(offset int64, at time.Time) string {
		return fmt.Sprintf(`{"time":%q,"places":{"KNOCK /k":{"inode":7,"dev":1,"offset":%d}}}`, at.Format(time.RFC3339), offset)
	}
	good := places(99, time.Now())
	d.handleRecord(privsep.RecordPositions, []byte(good))
	for _, bad := range []string{places(-5, time.Now()), places(1, time.Now().Add(time.Hour)), `{"time":5}`, "junk"} {
		d.handleRecord(privsep.RecordPositions, []byte(bad))
		if string(d.positions) != good {
			t.Fatalf("kept %s", d.positions)
		}
	}
	for _, c := range []struct {
		text, want string
	}{
		{places(99, time.Now()), ""},
		{places(99, time.Now().Add(-time.Hour)), ""},
		{places(-5, time.Now()), "not valid positions"},
		{"junk", "not valid positions"},
	} {
		d.positions = nil
		terminal.Reset()
		if err := os.WriteFile(d.positionsPath(), []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		d.loadPositions()
		if got := terminal.String(); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.text, got, c.want)
		}
		if c.want != "" && d.positions != nil {
			t.Errorf("%s: kept", c.text)
		}
	}
}
