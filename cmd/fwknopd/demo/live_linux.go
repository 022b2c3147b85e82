package demo

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/policy/spa"
)

// spaServer is where the packet is sent to; the daemon captures it on lo.
var spaServer = net.JoinHostPort("127.0.0.1", strconv.Itoa(spa.DefaultPort))

const (
	listening = "127.0.0.1:22" // in the namespace
	open      = 3              // seconds
	key       = "Rm9yIGEgZGVtbyBvbmx5LCBub3QgZm9yIGEgZ2F0ZS4="
	hmacKey   = "QSBzZWNvbmQga2V5IGZvciBhIGRlbW8gb25seS4="
	patience  = 30 * time.Second
	noAnswer  = 300 * time.Millisecond // after which a SYN counts as dropped
	retry     = 5 * time.Millisecond   // the same while the port is to open
)

// A closer is how a firewall program drops all packets but those of connections that stand.
type closer struct {
	kind     string // FIREWALL_TYPE
	commands [][]string
}

// closers are tried in this order; the first whose program is there is used.
var closers = []closer{
	{"nftables", [][]string{{"nft", "add table inet gate; " +
		"add chain inet gate in { type filter hook input priority 0; policy drop; }; add rule inet gate in ct state established accept"}}},
	{"iptables", [][]string{
		{"iptables", "-P", "INPUT", "DROP"},
		{"iptables", "-A", "INPUT", "-m", "conntrack", "--ctstate", "ESTABLISHED", "-j", "ACCEPT"},
	}},
}

// live runs Inside in a new network namespace.
func live(dir string, stdout io.Writer) error {
	if os.Geteuid() != 0 {
		fmt.Fprintln(stdout, "# As root there is a live round too, in a private network namespace.")
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, "demo", "--inside")
	file := cli.File(stdout)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, file, file
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); errors.Is(err, unix.EPERM) {
		fmt.Fprintln(stdout, "# No live round: this root may not make a network namespace.")
		return nil
	} else if err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("live round: %w", err)
	}
	return nil
}

// Inside is the live round, in a network namespace that holds nothing and a folder that
// goes afterwards. It returns the exit code.
func Inside(stdout, stderr io.Writer) int {
	err := refuseUsed()
	if err == nil {
		err = inside(stdout)
	}
	if err != nil {
		fmt.Fprintf(stderr, "fwknopd demo: %v\n", err)
		return 1
	}
	return 0
}

// refuseUsed refuses a namespace with interfaces that are up, which is not one for this.
func refuseUsed() error {
	all, err := net.Interfaces()
	for _, i := range all {
		if i.Flags&net.FlagUp != 0 {
			return fmt.Errorf("interface %s is up: this is not a new network namespace", i.Name)
		}
	}
	return err
}

func inside(stdout io.Writer) error {
	firewall, err := closeAll()
	if err != nil {
		fmt.Fprintf(stdout, "# No live round: %v.\n", err)
		return nil
	}
	fmt.Fprintf(stdout, "# Live, in a private network namespace: a server on %s, whose firewall drops all.\n", listening)
	l, err := net.Listen("tcp", listening)
	if err != nil {
		return err
	}
	defer l.Close()
	stop, err := startDaemon(firewall)
	if err != nil {
		return err
	}
	defer stop()
	if answers(noAnswer) {
		return errors.New("the port answers before the knock")
	}
	fmt.Fprintf(stdout, "connect to port 22: no answer in %v, it is dropped\n", noAnswer)
	return knock(stdout)
}

// knock sends one packet and watches the port open and close.
func knock(stdout io.Writer) error {
	if err := send(); err != nil {
		return err
	}
	sent := time.Now()
	fmt.Fprintf(stdout, "one SPA packet to %s, asking for tcp/22 for %d seconds\n", spaServer, open)
	if !until(func() bool { return answers(retry) }) {
		return errors.New("the port does not open")
	}
	fmt.Fprintf(stdout, "connect to port 22: open %v after the packet\n", time.Since(sent).Round(100*time.Microsecond))
	if !until(func() bool { return !answers(noAnswer) }) {
		return errors.New("the port does not close again")
	}
	fmt.Fprintf(stdout, "connect to port 22: no answer, closed again %v after the packet\n", (time.Since(sent) - noAnswer).Round(100*time.Millisecond))
	return nil
}

// closeAll brings lo up and has all packets dropped. It returns the FIREWALL_TYPE.
func closeAll() (string, error) {
	i := slices.IndexFunc(closers, func(c closer) bool {
		_, err := exec.LookPath(c.commands[0][0])
		return err == nil
	})
	if i < 0 {
		return "", errors.New("neither nft nor iptables is installed")
	}
	if err := up("lo"); err != nil {
		return "", err
	}
	for _, argv := range closers[i].commands {
		if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("%s: %w: %s", argv[0], err, bytes.TrimSpace(out))
		}
	}
	return closers[i].kind, nil
}

// up sets an interface up.
func up(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr)
}

// startDaemon starts the daemon on lo and waits until it is ready.
func startDaemon(firewall string) (stop func(), err error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	conf := fmt.Sprintf("PCAP_INTF lo;\nFIREWALL_TYPE %s;\nFWKNOP_DIR %[2]s/log;\nFWKNOP_LIB_DIR %[2]s/lib;\nFWKNOP_RUN_DIR %[2]s/run;\n", firewall, dir)
	access := fmt.Sprintf("SOURCE ANY\nOPEN_PORTS tcp/22\nKEY_BASE64 %s\nHMAC_KEY_BASE64 %s\nFW_ACCESS_TIMEOUT %d\n", key, hmacKey, open)
	for name, text := range map[string]string{"live.conf": conf, "live-access.conf": access} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	return start(dir)
}

// start starts the daemon with the files of the live round and waits for its notice that it
// is ready, sd_notify(3).
func start(dir string) (stop func(), err error) {
	notices, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notices"), Net: "unixgram"})
	if err != nil {
		return nil, err
	}
	defer notices.Close()
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var said bytes.Buffer
	cmd := exec.Command(self, "-f", "-c", filepath.Join(dir, "live.conf"), "-a", filepath.Join(dir, "live-access.conf"))
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+filepath.Join(dir, "notices"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
		_ = notices.Close() // ends the wait below
	}()
	stop = func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-ended
	}
	if !isReady(notices) {
		stop()
		return nil, fmt.Errorf("the daemon does not start:\n%s", said.Bytes())
	}
	return stop, nil
}

// isReady waits for the notice, as long as patience.
func isReady(notices *net.UnixConn) bool {
	if err := notices.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return false
	}
	b := make([]byte, 4096)
	for {
		n, err := notices.Read(b)
		if err != nil || bytes.Contains(b[:n], []byte("READY=1")) {
			return err == nil
		}
	}
}

// send sends the SPA packet.
func send() error {
	passphrase, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		return err
	}
	mac, err := base64.StdEncoding.DecodeString(hmacKey)
	if err != nil {
		return err
	}
	m := spa.Message{User: "demo", Time: time.Now().Unix(), Version: "3.0.0", Type: spa.Access, Text: "127.0.0.1,tcp/22"}
	packet, err := spa.Encode(&m, spa.Key{Passphrase: passphrase, HMACKey: mac}, spa.EncodeOptions{Rand: rand.Reader})
	if err != nil {
		return err
	}
	c, err := net.Dial("udp", spaServer)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Write(packet)
	return err
}

// answers reports whether the port takes a connection within a time.
func answers(within time.Duration) bool {
	c, err := net.DialTimeout("tcp", listening, within)
	if err == nil {
		c.Close()
	}
	return err == nil
}

// until tries until ok is true, for as long as patience.
func until(ok func() bool) bool {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	return true
}
