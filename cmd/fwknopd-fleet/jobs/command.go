package jobs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/inputs"
	"fwknopd/cmd/fwknopd/osreport"
	"fwknopd/cmd/fwknopd/replay"
	"fwknopd/cmd/fwknopd/summaries"
	"fwknopd/policy/conf"
)

// Exit codes of the command line contract.
const (
	exitOK    = 0
	exitError = 1
)

const (
	// serverMemory is about what a job server takes, and results on their way, in bytes.
	serverMemory = 32 << 20
	// uploadMemory is what it takes besides with --upload: parts that are packed, and blocks of the store.
	uploadMemory = 96 << 20
	// gcPercent has the heap of a submitter, most of which is garbage, collected less often below its limit.
	gcPercent = 400
)

// flushTime bounds how long the last words to NATS take.
const flushTime = 5 * time.Second

// Work implements `fwknopd fleet work`; args follow these words.
func Work(args []string, stdout, stderr io.Writer) int {
	o, code := cli.Begin(cli.FleetWork, args, stdout, stderr)
	if o == nil {
		return code
	}
	if err := oneOf(o, "join"); err != nil {
		return cli.FleetWork.Refuse(stderr, err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return exitCode(work(ctx, o, stderr), stderr)
}

func work(ctx context.Context, o *cli.Options, stderr io.Writer) error {
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	say := sayTo(stderr)
	inputs.SetCollection(0)
	nc, err := dialWorker(ctx, o, say)
	if err != nil {
		return err
	}
	defer nc.Close()
	w := Worker{Name: host, Jobs: cmp.Or(o.Jobs, runtime.GOMAXPROCS(0)), Root: o.Root, Say: say}
	err = w.Run(ctx, nc)
	_ = nc.FlushTimeout(flushTime) // else what is given back is given to others after ackWait
	return err
}

func dialWorker(ctx context.Context, o *cli.Options, say func(string)) (*nats.Conn, error) {
	if o.Join == "" {
		return dial(ctx, o, say)
	}
	token, address, err := ParseJoin(o.Join)
	if err != nil {
		return nil, err
	}
	return Join(ctx, token, address, say)
}

// Join connects a worker to a [Server].
func Join(ctx context.Context, t Token, address string, say func(string)) (*nats.Conn, error) {
	return connect(ctx, "tls://"+address, say, nats.UserInfo(worker, t.password()), nats.Secure(t.tls()), nats.TLSHandshakeFirst())
}

// dial connects to the cluster of --nats, else to that of FLEET.
func dial(ctx context.Context, o *cli.Options, say func(string)) (*nats.Conn, error) {
	servers, credentials, ca := o.NATS, o.Credentials, o.CA
	if servers == "" {
		l, problems := config.Load(config.Options{Config: o.Config, Overrides: o.Overrides, Lenient: o.Lenient, Offline: true, ServerOnly: true})
		if problems.Failed() {
			return nil, problems
		}
		if len(l.Server.Fleet.Servers) == 0 {
			return nil, fmt.Errorf("FLEET in %s names no NATS servers; members that are embedded let no others in: use --listen and --join", o.Config)
		}
		servers, credentials, ca = strings.Join(l.Server.Fleet.Servers, ","), l.Server.FleetCredentials, l.Server.FleetCA
	}
	var options []nats.Option
	if credentials != "" {
		options = append(options, nats.UserCredentials(credentials))
	}
	if ca != "" {
		options = append(options, nats.RootCAs(ca))
	}
	return connect(ctx, servers, say, options...)
}

// Submit implements `fwknopd fleet submit`; args follow these words.
func Submit(args []string, stdout, stderr io.Writer) int {
	o, code := cli.Begin(cli.FleetSubmit, args, stdout, stderr)
	if o == nil {
		return code
	}
	out, err := summaries.Of(o)
	if err := errors.Join(refused(o), oneOf(o, "listen"), err); err != nil {
		return cli.FleetSubmit.Refuse(stderr, err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s := newSubmitter(o, stdout, stderr)
	s.Summary = out
	err = s.submit(ctx, o)
	if s.Replay != nil && !errors.Is(err, ErrInterrupted) {
		return s.Replay.Exit(err)
	}
	return exitCode(err, stderr)
}

// Options that go with one of the two things that are done.
var (
	ofReplay = []string{"access-file", "access-folder", "pcap-filter", "digest-file", "state", "strict-perms", "no-gpg", "resolve", "all-modes", "fail-on", "what-if"}
	ofReport = []string{"fw-log", "pcap-file", "brief", "verbose", "inner", "memory", "summary", "unknown", "report", "top"}
)

// refused returns the error of options that a job cannot have.
func refused(o *cli.Options) error {
	others, what := ofReplay, "--replay"
	switch {
	case !o.OS && !o.Replay:
		return errors.New("what is to be done? --os reports the operating systems, --replay decides as fwknopd replay does")
	case o.Upload && o.Root != "":
		return errors.New("--root says where workers find the files; with --upload they open none")
	case o.Dir != "" && o.Listen == "":
		return errors.New("--dir goes with --listen")
	case o.OS && o.ECS():
		return errors.New("--format ecs goes with --replay")
	case o.Replay:
		others, what = ofReport, "--os"
	}
	for _, name := range others {
		if o.Set(name) {
			return fmt.Errorf("--%s goes with %s", name, what)
		}
	}
	return nil
}

// oneOf returns an error unless own, --nats or a configuration says where NATS is.
func oneOf(o *cli.Options, own string) error {
	outside := o.Set("nats") || !o.Set(own) && o.Set("config")
	switch {
	case o.Set(own) == outside:
		return fmt.Errorf("where is the work handed out? One of --%s, --nats, and -c FILE with FLEET is wanted", own)
	case !o.Set("nats") && (o.Set("credentials") || o.Set("ca")):
		return errors.New("--credentials and --ca go with --nats")
	}
	return nil
}

func newSubmitter(o *cli.Options, stdout, stderr io.Writer) *Submitter {
	return &Submitter{Options: osreport.FromFlags(o, nil), Root: o.Root, Upload: o.Upload, Stdout: stdout, Stderr: stderr, Say: sayTo(stderr)}
}

// configure reads the configuration of what is to be done.
func (s *Submitter) configure(o *cli.Options) (err error) {
	if !o.Replay {
		return s.Options.Configure(o)
	}
	s.Options.Inputs = o.Operands
	s.Replay, err = replay.NewJob(o, s.Stdout, s.Stderr)
	return err
}

func (s *Submitter) submit(ctx context.Context, o *cli.Options) error {
	if err := s.configure(o); err != nil {
		return err
	}
	id, err := s.Prepare(ctx)
	if err != nil {
		return err
	}
	if s.Replay == nil { // whose memory is that of the messages it has seen
		debug.SetGCPercent(gcPercent)
		limit := serverMemory + int64(cmp.Or(o.Memory, inputs.DefaultMemory))
		if o.Upload {
			limit += uploadMemory
		}
		debug.SetMemoryLimit(limit)
	}
	if o.Listen == "" {
		nc, err := dial(ctx, o, s.Say)
		if err != nil {
			return err
		}
		defer nc.Close()
		return s.on(ctx, nc)
	}
	dir, err := jobDir(o.Dir, id)
	if err != nil {
		return err
	}
	server, err := StartServer(o.Listen, dir, id, s.Upload, s.Say)
	if err != nil {
		return err
	}
	s.Say(fmt.Sprintf("job %s: workers join with\n  fwknopd fleet work --join %s@%s", id, server.Token, server.Address))
	err = s.serve(ctx, server)
	if errors.Is(err, ErrInterrupted) {
		server.Stop()
		return err
	}
	return errors.Join(err, server.Remove())
}

// jobDir returns the folder of a job.
func jobDir(dir, id string) (string, error) {
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("no folder for results: %w; name one with --dir", err)
		}
		dir = filepath.Join(cache, "fwknopd", "jobs")
	}
	return filepath.Join(dir, id), nil
}

// serve has the job done by the workers of a server, and ends them.
func (s *Submitter) serve(ctx context.Context, server *Server) error {
	nc, err := server.Connect(ctx, s.Say)
	if err != nil {
		return err
	}
	defer nc.Close()
	err = s.on(ctx, nc)
	if !errors.Is(err, ErrInterrupted) {
		_ = nc.Publish(endSubject, nil)
		_ = nc.FlushTimeout(flushTime) // workers that do not hear of it try to connect until they are stopped
	}
	return err
}

func (s *Submitter) on(ctx context.Context, nc *nats.Conn) error {
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	return s.Run(ctx, js, replicas(nc))
}

// replicas returns how often JetStream is to store a job: three times in a cluster.
func replicas(nc *nats.Conn) int {
	if nc.ConnectedClusterName() != "" && len(nc.DiscoveredServers()) >= 2 {
		return 3
	}
	return 1
}

// sayTo writes lines to a log, without what a terminal would act on.
func sayTo(w io.Writer) func(string) {
	return func(text string) {
		for line := range strings.Lines(text) {
			fmt.Fprintf(w, "fwknopd: %s\n", conf.Printable(strings.TrimSuffix(line, "\n")))
		}
	}
}

// exitCode prints an error and returns the exit code, as fwknopd --os does.
func exitCode(err error, stderr io.Writer) int {
	if err == nil {
		return exitOK
	}
	inputs.PrintError(stderr, "fwknopd", err)
	if errors.Is(err, ErrInterrupted) {
		return inputs.ExitInterrupted
	}
	return exitError
}
