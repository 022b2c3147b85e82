package ipfw

import (
	"errors"
	"strings"
	"testing"
)

func TestRefusedHere(t *testing.T) {
	_, err := New(ctx, Config{})
	if !errors.Is(err, ErrSystem) || !strings.Contains(err.Error(), "nftables") {
		t.Errorf("New on this system: %v", err)
	}
}
