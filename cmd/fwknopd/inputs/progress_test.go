package inputs

import (
	"testing"
	"time"
)

func TestTimeLeft(t *testing.T) {
	for _, tt := range []struct {
		done, total int64
		took        time.Duration
		want        string
	}{
		{25, 100, 10 * time.Second, "about 30s left"},
		{100, 100, 10 * time.Second, "about 0s left"},
		{1, 241, time.Second, "about 4m0s left"},
		{0, 100, time.Second, ""},
		{5, -1, time.Second, ""}, // a pipe
	} {
		if got := timeLeft(tt.done, tt.total, tt.took); got != tt.want {
			t.Errorf("%d of %d after %v: %q, want %q", tt.done, tt.total, tt.took, got, tt.want)
		}
	}
}
