package enforce

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRecorder(t *testing.T) {
	ctx := context.Background()
	var r Recorder
	g := Grant{Src: addr("192.0.2.7"), Ports: []Port{{Proto: TCP, Number: 22}, {Proto: UDP, Number: 53}}, Expires: epoch}
	later := g
	later.Ports, later.Expires = g.Ports[:1], epoch.Add(time.Minute)
	for _, g := range []Grant{g, later, g} {
		if err := r.Apply(ctx, g); err != nil {
			t.Fatal(err)
		}
	}
	parts := g.Split()
	parts[0].Expires = later.Expires
	got, _ := r.List(ctx)
	if diff := cmp.Diff(parts, got, values); diff != "" {
		t.Error(diff)
	}
	r.Expire(epoch)
	if got, _ = r.List(ctx); len(got) != 1 {
		t.Errorf("%d grants after the end of one, want 1", len(got))
	}
	r.Revoke(ctx, g)
	r.Revoke(ctx, g)
	if got, _ = r.List(ctx); len(got) != 0 {
		t.Errorf("%d grants after Revoke, want 0", len(got))
	}
	want := []string{"apply 192.0.2.7 tcp/22 udp/53", "apply 192.0.2.7 tcp/22", "apply 192.0.2.7 tcp/22 udp/53",
		"revoke 192.0.2.7 tcp/22 udp/53", "revoke 192.0.2.7 tcp/22 udp/53"}
	if diff := cmp.Diff(want, r.Log()); diff != "" {
		t.Error(diff)
	}
}

func TestRecorderCompare(t *testing.T) {
	ctx := context.Background()
	var r Recorder
	one := Grant{Src: addr("192.0.2.7"), Ports: []Port{{Proto: TCP, Number: 22}}}
	two := Grant{Src: addr("192.0.2.8"), Ports: []Port{{Proto: TCP, Number: 22}}}
	changed, _ := r.Watch(ctx)
	r.Apply(ctx, one)
	r.Disturb()
	<-changed
	r.Apply(ctx, two)
	found, err := r.Compare(ctx, []Grant{one})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Difference{Missing: one.Split(), Found: two.Split()}, found, values); diff != "" {
		t.Error(diff)
	}
	r.Apply(ctx, one)
	if found, _ = r.Compare(ctx, []Grant{one, two}); found.Missing != nil || found.Found != nil {
		t.Errorf("second Compare = %+v, want nothing", found)
	}
}

func TestRecorderFail(t *testing.T) {
	fault := errors.New("no")
	r := Recorder{Fail: func(g Grant) error {
		if g.Stanza == 2 {
			return fault
		}
		return nil
	}}
	errs, _ := r.Change(context.Background(), []Grant{{Stanza: 1}, {Stanza: 2}, {Stanza: 3}}, nil)
	if len(errs) != 3 || errs[0] != nil || errs[1] != fault || errs[2] != nil || FirstError(errs) != fault {
		t.Errorf("errors = %v", errs)
	}
}
