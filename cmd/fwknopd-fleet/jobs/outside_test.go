package jobs

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"fwknopd/cmd/fwknopd-fleet/fleetlab"
	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/osreport"
	"fwknopd/fixtures/wait"
)

// A cluster is a NATS server with TLS whose users have credentials.
type cluster struct {
	url, ca string
	dir     string
	account nkeys.KeyPair
}

func startCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{dir: t.TempDir()}
	operator := must(nkeys.CreateOperator())(t)
	accounts := &server.MemAccResolver{}
	var names [2]string // of the users, and that of the server itself
	for i := range names {
		account := must(nkeys.CreateAccount())(t)
		claims := jwt.NewAccountClaims(must(account.PublicKey())(t))
		if names[i] = claims.Subject; i == 0 {
			c.account = account
			claims.Limits.JetStreamLimits = jwt.JetStreamLimits{DiskStorage: jwt.NoLimit, MemoryStorage: jwt.NoLimit, Streams: jwt.NoLimit, Consumer: jwt.NoLimit}
		}
		if err := accounts.Store(claims.Subject, must(claims.Encode(operator))(t)); err != nil {
			t.Fatal(err)
		}
	}
	s := fleetlab.Start(t, server.Options{
		JetStream: true, StoreDir: filepath.Join(c.dir, "store"),
		TrustedKeys: []string{must(operator.PublicKey())(t)}, AccountResolver: accounts, SystemAccount: names[1], TLSConfig: c.tls(t), TLSTimeout: wait.Timeout.Seconds(),
	})
	c.url = "tls://" + s.Addr().String()
	return c
}

// must returns a value, if there is no error.
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// tls returns a certificate for the server, and writes it as the one that signs it.
func (c *cluster) tls(t *testing.T) *tls.Config {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	made := x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Unix(0, 0), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der := must(x509.CreateCertificate(rand.Reader, &made, &made, public, private))(t)
	c.ca = filepath.Join(c.dir, "ca.pem")
	if err := os.WriteFile(c.ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}}}
}

// options returns those of a command for a user; without permissions that may do all.
func (c *cluster) options(t *testing.T, command cli.Command, may *server.Permissions, args ...string) *cli.Options {
	t.Helper()
	user := must(nkeys.CreateUser())(t)
	claims := jwt.NewUserClaims(must(user.PublicKey())(t))
	if may != nil {
		claims.Pub.Allow, claims.Sub.Allow = may.Publish.Allow, may.Subscribe.Allow
	}
	creds := must(jwt.FormatUserConfig(must(claims.Encode(c.account))(t), must(user.Seed())(t)))(t)
	file := filepath.Join(t.TempDir(), "user.creds")
	if err := os.WriteFile(file, creds, 0o600); err != nil {
		t.Fatal(err)
	}
	var refused bytes.Buffer
	o, _ := cli.Begin(command, append([]string{"--nats", c.url, "--credentials", file, "--ca", c.ca}, args...), &refused, &refused)
	if o == nil {
		t.Fatal(refused.String())
	}
	return o
}

// outsideJob returns the arguments of a report of files, the report, and the name of the job.
func outsideJob(t *testing.T, files []string, args ...string) (_ []string, want report, id string) {
	t.Helper()
	args = append(append([]string{"--os", "--format", "jsonl", "--as-given"}, args...), files...)
	var out bytes.Buffer
	o, _ := cli.Begin(cli.FleetSubmit, append([]string{"--nats", "-"}, args...), &out, &out)
	if o == nil {
		t.Fatal(out.String())
	}
	s := Submitter{Options: osreport.FromFlags(o, nil), Upload: o.Upload, Stderr: &out}
	if err := s.Options.Configure(o); err != nil {
		t.Fatal(err)
	}
	id = must(s.Prepare(t.Context()))(t)
	return args, plain(t, s.Options), id
}

// In a cluster that is there a worker with the permissions of the manual works for one job after the
// other, until it is stopped; nothing is left of them.
func TestOutside(t *testing.T) {
	c := startCluster(t)
	files := archive(t, 3000)
	first, wantFirst, firstID := outsideJob(t, files)
	second, wantSecond, secondID := outsideJob(t, files, "--upload")
	may := permissions(firstID, false)
	may.Publish.Allow = append(may.Publish.Allow, permissions(secondID, true).Publish.Allow...)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var said bytes.Buffer
	worked, worker := make(chan error, 1), c.options(t, cli.FleetWork, may)
	go func() {
		defer stop() // else a submitter would wait for it
		worked <- work(ctx, worker, &said)
	}()
	for i, args := range [][]string{first, second} {
		var stdout, stderr bytes.Buffer
		o := c.options(t, cli.FleetSubmit, nil, args...)
		err := newSubmitter(o, &stdout, &stderr).submit(ctx, o)
		[]report{wantFirst, wantSecond}[i].compare(t, reportOf(&stdout, &stderr, err))
	}
	stop()
	if err := <-worked; err != nil || said.Len() > 0 {
		t.Errorf("worker: %v\n%s", err, said.String())
	}
	nc := must(dial(t.Context(), c.options(t, cli.FleetWork, nil), func(string) {}))(t)
	defer nc.Close()
	for stream := range must(jetstream.New(nc))(t).ListStreams(t.Context()).Info() {
		if stream.Config.Name != segmentStream || stream.State.Msgs > 0 {
			t.Errorf("left: %s with %d messages", stream.Config.Name, stream.State.Msgs)
		}
	}
}

// A submitter waits for JetStream that is not there yet.
func TestOutsideNotReady(t *testing.T) {
	dir := t.TempDir()
	s := fleetlab.Start(t, server.Options{})
	nc, err := connect(t.Context(), s.ClientURL(), func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	made, js := make(chan error, 1), must(jetstream.New(nc))(t)
	go func() {
		_, err := makeQueue(t.Context(), js, 1)
		made <- err
	}()
	wait.For(t, "a request", func() bool { return must(s.Varz(nil))(t).InMsgs > 0 })
	if err := s.EnableJetStream(&server.JetStreamConfig{StoreDir: dir}); err != nil {
		t.Fatal(err)
	}
	if err := <-made; err != nil {
		t.Error(err)
	}
}

// A submitter that may not do what a job takes, another cluster than that of --ca, and credentials of
// another account are errors that say so.
func TestOutsideRefused(t *testing.T) {
	c, other := startCluster(t), startCluster(t)
	args, _, id := outsideJob(t, archive(t, 100)[:1])
	for name, test := range map[string]struct {
		o    *cli.Options
		want string
	}{
		"permissions": {c.options(t, cli.FleetSubmit, permissions(id, false), args...), "permissions violation"},
		"certificate": {func() *cli.Options { o := c.options(t, cli.FleetSubmit, nil, args...); o.CA = other.ca; return o }(), "certificate"},
		"credentials": {func() *cli.Options {
			o := other.options(t, cli.FleetSubmit, nil, args...)
			o.NATS, o.CA = c.url, c.ca
			return o
		}(), "authorization violation"},
	} {
		var out bytes.Buffer
		err := newSubmitter(test.o, &out, &out).submit(t.Context(), test.o)
		if err == nil || !strings.Contains(strings.ToLower(out.String()+err.Error()), test.want) {
			t.Errorf("%s: error %v\n%s", name, err, out.String())
		}
	}
}
