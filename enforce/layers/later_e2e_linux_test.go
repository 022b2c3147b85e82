package layers

import (
	"context"
	"testing"
	"time"

	"fwknopd/enforce"
	"fwknopd/fixtures/enforcetest"
	"fwknopd/fixtures/netlab"
)

// TestLaterLayer: a grant that follows a firewall which has just begun to drop is open in
// that one, too, when it is said to be.
func TestLaterLayer(t *testing.T) {
	netlab.Need(t, "iptables-nft", "ip6tables-nft", "nft")
	lab := netlab.New(t)
	walls["iptables-nft"].up(t, lab.Server)
	netlab.Serve(t, lab.Server, "tcp", 22)
	g := enforce.Grant{Src: lab.Client.V4, Ports: []enforce.Port{{Proto: enforce.TCP, Number: 22}}, Expires: time.Now().Add(time.Hour)}
	lab.Server.Do(func() {
		be, err := New(context.Background(), config(t))
		if err == nil {
			err = be.Setup(context.Background())
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { be.Close() })
		if names := be.Name(); names != "iptables-nft" {
			t.Fatalf("opens in %s before", names)
		}
		enforcetest.Load(enforcetest.Dropping)(t, lab.Server)
		if err := enforce.Open(context.Background(), be, g); err != nil {
			t.Fatal(err)
		}
		if by, err := be.Blocked(context.Background(), g); len(by) > 0 || err != nil {
			t.Errorf("blocked by %q, %v", by, err)
		}
	})
	if !netlab.CanConnect(lab.Client, lab.Server.V4, 22, 5*time.Second) {
		t.Error("the port is shut")
	}
}
