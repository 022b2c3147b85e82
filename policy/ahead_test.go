package policy

import (
	"testing"
	"unsafe"
)

// An Opened has what the engine needs and no work space of the opener: there are a thousand of
// them, which are to stay in the cache of a processor.
func TestOpenedIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(Opened{}); n > 640 {
		t.Errorf("an Opened takes %d bytes", n)
	}
}
