package parse

import (
	"net/netip"
	"reflect"
	"testing"
	"time"
	"unsafe"
)

// TestResetClears sets every field, so that a new one is not forgotten.
func TestResetClears(t *testing.T) {
	var ev Event
	v := reflect.ValueOf(&ev).Elem()
	for i := range v.NumField() {
		f := v.Field(i)
		f = reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Elem()
		switch f.Interface().(type) {
		case time.Time:
			f.Set(reflect.ValueOf(time.Unix(1, 1)))
		case netip.AddrPort:
			f.Set(reflect.ValueOf(netip.MustParseAddrPort("192.0.2.7:1")))
		case []byte:
			f.SetBytes([]byte{1})
		case [MaxOptions]byte:
			f.Index(0).SetUint(1)
		case TunnelPath:
			f.Set(reflect.ValueOf(TunnelPath{{Kind: GRE}}))
		default:
			switch {
			case f.CanUint():
				f.SetUint(1)
			case f.CanInt():
				f.SetInt(1)
			default:
				f.SetBool(true)
			}
		}
	}
	ev.Reset()
	if ev.opt[0] != 1 || len(ev.text) != 1 {
		t.Error("the option bytes and the scratch space are not kept")
	}
	if len(ev.Tunnels().String()) != 0 {
		t.Error("the tunnels are kept")
	}
	ev.opt, ev.text, ev.tunnels = [MaxOptions]byte{}, nil, TunnelPath{}
	if !v.IsZero() {
		t.Errorf("left: %+v", ev)
	}
}
