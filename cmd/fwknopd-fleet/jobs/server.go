package jobs

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"golang.org/x/sys/unix"

	"fwknopd/cmd/fwknopd-fleet/node"
)

// A Server is a NATS server for one job, in this process. Workers connect with TLS and a token; they
// may take segments, and put and read objects of the job, and nothing else.
type Server struct {
	Token   Token
	Address string // where it listens

	server *server.Server
	dir    string
	lock   *os.File
	own    string // the password of this process
}

const (
	// startTime bounds how long the server takes to start.
	startTime = 30 * time.Second
	// maxWorkers bounds connections.
	maxWorkers = 1024
	serverName = "fwknopd-job"
	submitter  = "submitter"
	worker     = "worker"
)

// StartServer starts a server for a job that stores in a folder, which it makes. A server that is
// started again with the same folder has the same key and token, and what was stored.
func StartServer(listen, dir, job string, upload bool, say func(string)) (*Server, error) {
	address, err := netip.ParseAddrPort(listen)
	if err != nil {
		return nil, fmt.Errorf("--listen: %w", err)
	}
	if address.Addr().IsUnspecified() {
		return nil, errors.New("--listen: name the address of one network, not of all")
	}
	s := &Server{dir: dir, own: rand.Text()}
	if err := s.lockDir(); err != nil {
		return nil, err
	}
	key, err := s.key()
	if err != nil {
		s.lock.Close()
		return nil, err
	}
	if err := s.start(address, key, permissions(job, upload), say); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

// lockDir makes the folder, and keeps another process out of it.
func (s *Server) lockDir() error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(s.dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return fmt.Errorf("the same job is being submitted by another process (%s)", s.dir)
	}
	s.lock = f
	return nil
}

// key returns the key of the certificate and sets the token. Both are made of a secret in the folder.
func (s *Server) key() (ed25519.PrivateKey, error) {
	name := filepath.Join(s.dir, "secret")
	secret, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		secret = make([]byte, ed25519.SeedSize+len(s.Token.Secret))
		rand.Read(secret)
		err = os.WriteFile(name, secret, 0o600)
	}
	if err != nil {
		return nil, err
	}
	if len(secret) != ed25519.SeedSize+len(s.Token.Secret) {
		return nil, fmt.Errorf("%s: damaged; remove %s to begin the job anew", name, s.dir)
	}
	copy(s.Token.Secret[:], secret[ed25519.SeedSize:])
	return ed25519.NewKeyFromSeed(secret[:ed25519.SeedSize]), nil
}

func (s *Server) start(address netip.AddrPort, key ed25519.PrivateKey, may *server.Permissions, say func(string)) error {
	certificate, err := node.Certificate(key, serverName)
	if err != nil {
		return err
	}
	s.Token.Pin = sha256.Sum256(certificate.Leaf.RawSubjectPublicKeyInfo)
	if address, err = node.FreeAddress(address); err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	s.Address = address.String()
	s.server, err = server.NewServer(&server.Options{
		ServerName: serverName, Host: address.Addr().String(), Port: int(address.Port()), NoSigs: true, NoSystemAccount: true,
		JetStream: true, StoreDir: filepath.Join(s.dir, "store"), DisableJetStreamBanner: true, JetStreamMaxMemory: 32 << 20, JetStreamMaxStore: 1 << 50,
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{certificate}}, TLSTimeout: 5, AuthTimeout: 5,
		TLSHandshakeFirst: true, MaxConn: maxWorkers, MaxPayload: 1 << 20,
		Users: []*server.User{{Username: submitter, Password: s.own}, {Username: worker, Password: s.Token.password(), Permissions: may}},
	})
	if err != nil {
		return fmt.Errorf("NATS server: %w", err)
	}
	s.server.SetLoggerV2(serverLog{say}, false, false, false)
	s.server.Start()
	if !s.server.ReadyForConnections(startTime) {
		return errors.New("NATS server: it does not start")
	}
	return nil
}

// permissions are those of workers of a job, whose files are uploaded or not.
func permissions(job string, upload bool) *server.Permissions {
	results, objects := "OBJ_"+bucketPrefix+job, "$O."+bucketPrefix+job+"."
	reads := []string{results}
	if upload {
		reads = append(reads, "OBJ_"+inputPrefix+job)
	}
	publish := []string{
		"$JS.API.CONSUMER.INFO." + segmentStream + "." + workers,
		"$JS.API.CONSUMER.MSG.NEXT." + segmentStream + "." + workers,
		"$JS.ACK." + segmentStream + "." + workers + ".>",
		"$JS.API.STREAM.PURGE." + results, // of the chunks of a result that is put twice
		objects + "C.>", objects + "M.>",
	}
	for _, bucket := range reads {
		publish = append(publish, "$JS.API.STREAM.INFO."+bucket,
			"$JS.API.STREAM.MSG.GET."+bucket, "$JS.API.DIRECT.GET."+bucket, "$JS.API.DIRECT.GET."+bucket+".>",
			"$JS.API.CONSUMER.CREATE."+bucket+".>", "$JS.API.CONSUMER.DELETE."+bucket+".>", "$JS.FC."+bucket+".>")
	}
	return &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: publish},
		Subscribe: &server.SubjectPermission{Allow: []string{inboxPrefix + ".>", endSubject}},
	}
}

// Connect connects this process.
func (s *Server) Connect(ctx context.Context, say func(string)) (*nats.Conn, error) {
	return connect(ctx, "", say, nats.InProcessServer(s.server), nats.UserInfo(submitter, s.own))
}

// Stop stops the server; the job can go on later.
func (s *Server) Stop() {
	if s.server != nil {
		s.server.Shutdown()
		s.server.WaitForShutdown()
	}
	s.lock.Close()
}

// Remove stops the server for good and removes what it stored.
func (s *Server) Remove() error {
	s.Stop()
	return os.RemoveAll(s.dir)
}

// A serverLog passes on errors of the server, not what it does.
type serverLog struct{ say func(string) }

func (serverLog) Noticef(string, ...any) {}
func (serverLog) Debugf(string, ...any)  {}
func (serverLog) Tracef(string, ...any)  {}
func (serverLog) Warnf(string, ...any)   {}

func (l serverLog) Errorf(format string, v ...any) {
	l.say("NATS server: " + fmt.Sprintf(format, v...))
}
func (l serverLog) Fatalf(format string, v ...any) {
	l.say("NATS server: " + fmt.Sprintf(format, v...))
}
