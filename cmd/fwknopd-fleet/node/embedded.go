package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"fwknopd/cmd/fwknopd/fleetlink"
)

// startTime is how long a server may take to be there for its own process.
const startTime = 10 * time.Second

// embedded is a NATS server of this process. No client can connect to it but this process;
// members connect to each other on FLEET_LISTEN. It takes part in what the fleet stores from
// [embedded.join] on.
type embedded struct {
	cfg     fleetlink.Config
	options *server.Options
	log     *serverLog

	mu            sync.Mutex
	server        *server.Server
	administrator string                             // the public key by which this process is the administrator of the server
	sign          func(nonce []byte) ([]byte, error) // with its private one
	why           string                             // why it takes no part; empty: it does
	rests         time.Time                          // until when it is not tried again
}

// members returns all members of an embedded fleet, with this one, in the order of FLEET_PEERS.
func members(cfg fleetlink.Config) []fleetlink.Peer {
	if slices.ContainsFunc(cfg.Peers, func(p fleetlink.Peer) bool { return p.Name == cfg.Name }) {
		return cfg.Peers
	}
	return append(slices.Clone(cfg.Peers), fleetlink.Peer{Name: cfg.Name, Address: cfg.Listen})
}

func startServer(cfg fleetlink.Config, log func(string)) (*embedded, error) {
	if !validName(cfg.Name) {
		return nil, errName(cfg.Name)
	}
	e := &embedded{cfg: cfg, log: newServerLog(log), why: "waits for the other members"}
	var err error
	if e.options, err = serverOptions(cfg); err != nil {
		return nil, err
	}
	return e, e.start()
}

// serverOptions returns the settings of the server, whose JetStream is enabled later.
func serverOptions(cfg fleetlink.Config) (*server.Options, error) {
	o := &server.Options{
		ServerName: cfg.Name, DontListen: true, NoSigs: true, SyncAlways: true, StoreDir: cfg.Dir,
		DisableJetStreamBanner: true, JetStreamMaxMemory: 32 << 20, JetStreamMaxStore: maxStore,
		MaxPayload: 1 << 20, WriteDeadline: 2 * time.Second,
	}
	all := members(cfg)
	if len(all) == 1 {
		return o, nil
	}
	config, err := memberTLS(cfg)
	if err != nil {
		return nil, err
	}
	// With DontListen a server of this version never listens for other members. With a port that is
	// none it does, after it has failed to listen for clients.
	o.DontListen, o.Host, o.Port = false, "127.0.0.1", noPort
	// The pins keep fleets apart, the name of the cluster does not change with its members.
	o.Cluster = server.ClusterOpts{
		Name: "fwknop", Host: cfg.Listen.Addr().String(), Port: int(cfg.Listen.Port()),
		TLSConfig: config, TLSTimeout: 2, NoAdvertise: true, PoolSize: -1,
		Compression: server.CompressionOpts{Mode: server.CompressionOff}, PingInterval: 700 * time.Millisecond, MaxPingsOut: 2,
	}
	o.Routes = routes(cfg, all)
	return o, nil
}

// routes returns where the server connects to. Of two members the one whose name comes first connects:
// if both do at once, each server drops the connection that the other one keeps, and as they try again at
// the same time that repeats itself where a handshake takes longer than the 0.1 s by which they differ.
// In place of the others there is this member itself, which ends at once: the server takes their number
// for that of the members.
func routes(cfg fleetlink.Config, all []fleetlink.Peer) (list []*url.URL) {
	for _, m := range all {
		to := cfg.Listen
		if cfg.Name < m.Name {
			to = m.Address
		}
		list = append(list, &url.URL{Scheme: "nats", Host: to.String()})
	}
	return list
}

// noPort is no port of TCP.
const noPort = 1 << 16

// maxStore bounds what a member stores: claims, and what jobs and events take.
const maxStore = 8 << 30

// start starts a server without JetStream.
func (e *embedded) start() error {
	if len(members(e.cfg)) > 1 {
		if _, err := FreeAddress(e.cfg.Listen); err != nil {
			return fmt.Errorf("FLEET_LISTEN: %w", err)
		}
	}
	o := e.options.Clone()
	o.JetStream = true // it is to know itself as a member that stores
	if err := e.admit(o); err != nil {
		return err
	}
	s, err := server.NewServer(o)
	if err != nil {
		return fmt.Errorf("NATS server: %w", err)
	}
	o.JetStream = false // but not yet
	s.SetLoggerV2(e.log, false, false, false)
	s.Start()
	e.server = s
	for end := time.Now().Add(startTime); o.Cluster.Port != 0 && s.ClusterAddr() == nil; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			e.close()
			return fmt.Errorf("NATS server: it does not listen on %s", e.cfg.Listen)
		}
	}
	return nil
}

// FreeAddress returns an address that can be listened on, with a port in place of 0, or why there is
// none, of which a server would only write a line.
func FreeAddress(address netip.AddrPort) (netip.AddrPort, error) {
	l, err := net.Listen("tcp", address.String())
	if err != nil {
		return address, err
	}
	defer l.Close()
	return netip.AddrPortFrom(address.Addr(), uint16(l.Addr().(*net.TCPAddr).Port)), nil
}

// InProcessConn is a connection to the server that runs.
func (e *embedded) InProcessConn() (net.Conn, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.server.InProcessConn()
}

// join has the server take part in what the fleet stores. Once it does, nothing is done, unless
// the server has given up since, for want of disk space; it then starts anew.
func (e *embedded) join() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.why == "" {
		if e.server.JetStreamEnabled() {
			return nil
		}
		e.why = "the server has given up storing, for want of room or of rights in " + e.cfg.Dir
		return e.restart()
	}
	if time.Now().Before(e.rests) {
		return nil
	}
	err := e.server.EnableJetStream(&server.JetStreamConfig{
		MaxMemory: e.options.JetStreamMaxMemory, MaxStore: e.options.JetStreamMaxStore, StoreDir: e.cfg.Dir, SyncAlways: true, Strict: true,
	})
	if err != nil {
		e.why = fmt.Sprintf("cannot store claims in %s: %v", e.cfg.Dir, err)
		e.rests = time.Now().Add(restTime)
		return errors.Join(errors.New(e.why), e.restart()) // which forgets what was half begun
	}
	e.why = ""
	return nil
}

// leave ends the server's part: another member leads, and counts the time.
func (e *embedded) leave() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.why != "" {
		return
	}
	e.why = "the clock of this member differs from that of the others"
	if err := e.restart(); err != nil {
		e.why = err.Error()
	}
}

// restTime is how long a server that cannot store is left alone.
const restTime = 3 * time.Second

// restart starts a server that takes no part.
func (e *embedded) restart() error {
	e.server.Shutdown()
	e.server.WaitForShutdown()
	return e.start()
}

// apart returns why the server takes no part in the fleet.
func (e *embedded) apart() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.why
}

// connected returns the names of the members that there is a connection with.
func (e *embedded) connected() map[string]bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	names := make(map[string]bool)
	routes, err := e.server.Routez(nil)
	if err != nil {
		return names
	}
	for _, r := range routes.Routes {
		names[r.RemoteName] = true
	}
	return names
}

// handOver has another member lead the claims, if this one does, before it ends: without it an election takes
// a second or two.
func (n *Node) handOver() {
	n.server.mu.Lock()
	err := n.server.server.JetStreamStepdownStream(server.DEFAULT_GLOBAL_ACCOUNT, streamName)
	n.server.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), handOverTime)
	defer cancel()
	for err == nil {
		var s jetstream.Stream
		if s, err = n.js.Stream(ctx, streamName); err == nil && s.CachedInfo().Cluster.Leader != n.cfg.Name {
			return
		}
		if !Pause(ctx, handOverTime/20) {
			return
		}
	}
}

// handOverTime is less than the daemon gives a fleet process that is to end.
const handOverTime = 400 * time.Millisecond

func (e *embedded) close() {
	if e.server == nil { // it has never started
		return
	}
	e.server.Shutdown()
	e.server.WaitForShutdown()
}
