package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"fwknopd/cmd/fwknopd/fleetlink"
	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
)

// A cluster is three NATS servers that take users of one account by their JWT, over TLS.
type cluster struct {
	t       *testing.T
	ca      []byte // PEM
	account nkeys.KeyPair
	options *server.Options // of each
	servers []*server.Server
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{t: t, options: &server.Options{Host: "127.0.0.1", Port: -1, NoSigs: true, NoLog: true, JetStream: true, TLS: true, TLSTimeout: 10}}
	c.certify()
	c.trust()
	var routes []*url.URL
	for range 3 {
		routes = append(routes, &url.URL{Scheme: "nats", Host: freeAddress(t)})
	}
	for i, route := range routes {
		o := c.options.Clone()
		o.ServerName, o.StoreDir, o.Routes = fmt.Sprint("nats", i), t.TempDir(), routes
		o.Cluster = server.ClusterOpts{Name: "outside", Host: "127.0.0.1", Port: int(netip.MustParseAddrPort(route.Host).Port())}
		s, err := server.NewServer(o)
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
		c.servers = append(c.servers, s)
	}
	for _, s := range c.servers {
		if !s.ReadyForConnections(wait.Timeout) {
			t.Fatal("a server does not start")
		}
	}
	return c
}

// freeAddress returns an address of the loopback interface that nothing listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// certify makes a certificate of the servers, and of who has signed it.
func (c *cluster) certify() {
	authority := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "nats"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: authority.NotBefore, NotAfter: authority.NotAfter, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	key, err1 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	top, err2 := x509.CreateCertificate(rand.Reader, authority, authority, key.Public(), key)
	own, err3 := x509.CreateCertificate(rand.Reader, leaf, authority, key.Public(), key)
	if err := errors.Join(err1, err2, err3); err != nil {
		c.t.Fatal(err)
	}
	c.ca = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: top})
	c.options.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{{Certificate: [][]byte{own}, PrivateKey: key}}}
}

// trust has the servers trust an operator, who has an account for the fleet.
func (c *cluster) trust() {
	operator, err1 := nkeys.CreateOperator()
	account, err2 := nkeys.CreateAccount()
	system, err3 := nkeys.CreateAccount()
	if err := errors.Join(err1, err2, err3); err != nil {
		c.t.Fatal(err)
	}
	c.account = account
	resolver := &server.MemAccResolver{}
	for _, pair := range []nkeys.KeyPair{account, system} {
		id, _ := pair.PublicKey()
		claims := jwt.NewAccountClaims(id)
		if pair == account {
			claims.Limits.JetStreamLimits = jwt.JetStreamLimits{DiskStorage: -1, MemoryStorage: -1, Streams: -1, Consumer: -1}
		} else {
			c.options.SystemAccount = id
		}
		text, err := claims.Encode(operator)
		if err == nil {
			err = resolver.Store(id, text)
		}
		if err != nil {
			c.t.Fatal(err)
		}
	}
	id, _ := operator.PublicKey()
	c.options.TrustedOperators, c.options.AccountResolver = []*jwt.OperatorClaims{jwt.NewOperatorClaims(id)}, resolver
}

// credentials returns those of a gateway with the permissions that FLEET.md has for gw1 in the group edge.
func (c *cluster) credentials(gateway string) []byte {
	pair, err := nkeys.CreateUser()
	if err != nil {
		c.t.Fatal(err)
	}
	id, _ := pair.PublicKey()
	claims := jwt.NewUserClaims(id)
	publish, subscribe := documented(c.t)
	for _, s := range publish {
		claims.Pub.Allow.Add(strings.ReplaceAll(s, "gw1", gateway))
	}
	for _, s := range subscribe {
		claims.Sub.Allow.Add(strings.ReplaceAll(s, "gw1", gateway))
	}
	text, err1 := claims.Encode(c.account)
	seed, err2 := pair.Seed()
	file, err3 := jwt.FormatUserConfig(text, seed)
	if err := errors.Join(err1, err2, err3); err != nil {
		c.t.Fatal(err)
	}
	return file
}

// documented returns the subjects in the tables of permissions in FLEET.md.
func documented(t *testing.T) (publish, subscribe []string) {
	t.Helper()
	text, err := os.ReadFile("../../FLEET.md")
	if err != nil {
		t.Fatal(err)
	}
	var into *[]string
	for line := range strings.Lines(string(text)) {
		switch {
		case strings.HasPrefix(line, "| publish | for |"):
			into = &publish
		case strings.HasPrefix(line, "| subscribe | for |"):
			into = &subscribe
		case !strings.HasPrefix(line, "|"):
			into = nil
		case into != nil:
			for _, m := range regexp.MustCompile("`(\\S+)`").FindAllStringSubmatch(strings.Split(line, "|")[1], -1) {
				*into = append(*into, m[1])
			}
		}
	}
	if len(publish) < 20 || len(subscribe) < 4 {
		t.Fatalf("permissions in FLEET.md: %q, %q", publish, subscribe)
	}
	return publish, subscribe
}

// gateway returns a gateway of the group edge, which is not started.
func (c *cluster) gateway(name string) *member {
	var urls []string
	for _, s := range c.servers {
		urls = append(urls, "tls://"+s.Addr().String())
	}
	return &member{t: c.t, cfg: fleetlink.Config{Name: name, Servers: urls, Credentials: c.credentials(name), CA: c.ca, Group: "edge",
		Since: time.Now().Add(-time.Second), MaxAge: 2 * time.Minute, Events: true}}
}

// stored returns what a gateway reads of the fleet.
func (m *member) stored(q fleetlink.Query) (list []fleetlink.Stored, err error) {
	r, err := fleetlink.Ask(m.link(fleetlink.ForReading), q)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	for {
		s, err := r.Next()
		if errors.Is(err, io.EOF) {
			return list, nil
		} else if err != nil {
			return list, err
		}
		list = append(list, s)
	}
}

// TestE2EOutside: two gateways do all that there is in a cluster of three NATS servers, with credentials of NATS, a
// certification authority of its own and the permissions in FLEET.md alone; also with a server less.
func TestE2EOutside(t *testing.T) {
	netlab.Need(t)
	t.Parallel()
	c := newCluster(t)
	a, b := c.gateway("gw1"), c.gateway("gw2")
	done := make(chan string, 10)
	b.listener.Order = func(from string, _ []byte) { b.answer(from) }
	a.listener.Done = func(by string, _ []byte) { done <- by }
	for _, m := range []*member{a, b} {
		m.start()
		t.Cleanup(func() { m.signal(syscall.SIGKILL) })
	}
	a.ready()
	b.ready()
	claimed := a.claim("one")
	if other := b.claim("one"); claimed.Verdict != fleetlink.First || other.Verdict != fleetlink.Taken || other.By != "gw1" {
		t.Errorf("%+v, %+v", claimed, other)
	}
	announces(t, a, b, "one")
	publishes(t, a, b)
	a.order()
	select {
	case <-done:
	case <-time.After(wait.Timeout):
		t.Error("no answer to an order")
	}
	wait.For(t, "each to hear of the other", func() bool { s := a.status(); return s.Quorum && len(s.Members) == 2 && s.Members[1].Connected })

	c.servers[1].Shutdown()
	for _, m := range []*member{a, b} {
		m.ready()
		if again := m.claim("one"); again.Verdict != fleetlink.Taken {
			t.Errorf("with a server less: %+v", again)
		}
		if text := m.said.String(); strings.Contains(strings.ToLower(text), "permission") {
			t.Errorf("%s: %s", m.cfg.Name, text)
		}
	}
}

// announces has a gateway announce a message that it has claimed to another one.
func announces(t *testing.T, a, b *member, key string) {
	from, to := fleetlink.NewGroup(a.link(fleetlink.ForGroup)), fleetlink.NewGroup(b.link(fleetlink.ForGroup))
	place := netip.MustParseAddrPort("192.0.2.7:1000")
	from.Announce(fleetlink.Announcement{Payload: "message", Src: place, Dst: place, Proto: 17, At: time.Now(), Digest: sha256.Sum256([]byte(key)),
		End: time.Now().Add(time.Minute)})
	select {
	case h := <-to.Heard():
		if h.By != a.cfg.Name || h.Holder != a.cfg.Name {
			t.Errorf("%+v", h)
		}
	case <-time.After(wait.Timeout):
		t.Error("nothing is announced")
	}
}

// publishes has a gateway publish an event and what is open, which another one reads.
func publishes(t *testing.T, a, b *member) {
	p := fleetlink.NewPublisher(a.link(fleetlink.ForEvents))
	if err := errors.Join(p.Events(fleetlink.Events{Run: 1, First: 1, Objects: []string{`{"v":1}`}}), p.Open([]byte(`{"v":1}`))); err != nil {
		t.Fatal(err)
	}
	for _, q := range []fleetlink.Query{{Since: 3600}, {Since: 3600, Gateway: a.cfg.Name}, {Open: true, Gateway: a.cfg.Name}} {
		var list []fleetlink.Stored
		var err error
		if !wait.Until(wait.Timeout, func() bool {
			list, err = b.stored(q)
			return err == nil && len(list) == 1 && list[0].Gateway == a.cfg.Name && (len(list[0].Objects) == 1 || len(list[0].Open) > 2)
		}) {
			t.Errorf("%+v: %+v, %v", q, list, err)
		}
	}
}

// order publishes an order to revoke.
func (m *member) order() {
	signer, err1 := fleetlink.NewSigner(&m.cfg)
	text, err2 := signer.Order(fleetlink.Order{From: m.cfg.Name, Serial: 1, At: time.Now()})
	if err := errors.Join(err1, err2, m.control.Order(text)); err != nil {
		m.t.Error(err)
	}
}

// answer answers the order of another gateway.
func (m *member) answer(from string) {
	signer, err1 := fleetlink.NewSigner(&m.cfg)
	text, err2 := signer.Done(fleetlink.Done{By: m.cfg.Name, From: from, Serial: 1})
	if err := errors.Join(err1, err2, m.control.Done(text)); err != nil {
		m.t.Error(err)
	}
}
