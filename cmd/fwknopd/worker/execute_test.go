package worker

import (
	"context"
	"net/netip"
	"regexp"
	"testing"

	"fwknopd/enforce"
	"fwknopd/enforce/monitor"
	"fwknopd/policy"
)

// The monitor gets a command as the client wrote it, with the address that CMD_REGEX is
// matched against and the source address.
func TestExecuteCommand(t *testing.T) {
	ctx := context.Background()
	events := make(chan monitor.Event, 8)
	m, err := monitor.New(ctx, monitor.Config{
		Events: func(ev monitor.Event) { events <- ev },
		Policy: monitor.Policy{Limits: enforce.Limits{Stanzas: []enforce.Allowance{{
			Stanza: 3, Commands: &enforce.CommandLimit{Regexp: regexp.MustCompile(`^192\.0\.2\.9,true$`)},
		}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close(ctx)
	server, conn, err := monitor.Pair()
	if err != nil {
		t.Fatal(err)
	}
	go m.Serve(ctx, server)
	w := &worker{client: monitor.NewClient(conn)}
	defer w.client.Close()
	w.execute(ctx, &policy.Decision{
		Verdict: policy.Allow, Stanza: 3, User: "joe", Src: netip.MustParseAddr("198.51.100.7"),
		Command: &policy.Command{From: "192.0.2.9", Text: "true"},
	})
	ev := <-events
	want := monitor.Command{Stanza: 3, From: "192.0.2.9", Text: "true", User: "joe", Src: "198.51.100.7"}
	if ev.Kind != monitor.CommandRan || ev.Err != nil || ev.Command != want {
		t.Errorf("%s %+v, %v; want %+v", ev.Kind, ev.Command, ev.Err, want)
	}
}
