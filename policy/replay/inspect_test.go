package replay

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestInspect reads a journal that is open, and changes nothing.
func TestInspect(t *testing.T) {
	path := filepath.Join(t.TempDir(), "digest.cache")
	horizon := time.Unix(1_700_000_000, 0).UTC()
	if err := os.WriteFile(path, append(appendMark(nil, horizonMark, horizon), "nonsense\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	j, err := Open(context.Background(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if err := j.Append(t0, []Record{{Key: [32]byte{1}, Sent: t0.Unix(), Proto: 17}}); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Inspect(context.Background(), path, Options{})
	if err != nil || c.Records != 1 || c.Skipped != 1 || c.First == 0 || c.Reason == nil || !c.Horizon.Equal(horizon) || c.Size != int64(len(before)) {
		t.Errorf("%+v, %v", c, err)
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("%q, %v; it was %q", after, err, before)
	}
	if _, err := Inspect(context.Background(), path, Options{MaxSize: 3}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Inspect(context.Background(), path, Options{}); err == nil {
		t.Error("others may write to it, and it is taken")
	}
	if _, err := Inspect(context.Background(), path+".none", Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}
