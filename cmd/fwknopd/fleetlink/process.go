package fleetlink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"fwknopd/cmd/fwknopd/codec"
	"fwknopd/ingest/safepath"
)

// Program is the name of the program of the fleet process, Package that of its package.
const (
	Program = "fwknopd-fleet"
	Package = "fwknopd-fleet"
)

// folders are where the program is looked for, after that of the daemon's.
var folders = []string{"/usr/sbin", "/usr/libexec/fwknopd"}

// FindProgram returns the path of the program of the fleet process, which stands beside this one or
// where its package has it. One that other users may replace is an error.
func FindProgram() (string, error) {
	own, err := os.Executable()
	if err != nil {
		return "", err
	}
	for _, dir := range append([]string{filepath.Dir(own)}, folders...) {
		name := filepath.Join(dir, Program)
		if st, err := os.Stat(name); err != nil || !st.Mode().IsRegular() || st.Mode()&0o111 == 0 {
			continue
		}
		if faults := safepath.Check(name); len(faults) > 0 {
			return "", errors.New(faults[0].String())
		}
		return name, nil
	}
	return "", fmt.Errorf("the program %s is neither beside %s nor in %s: install the package %s", Program, own, strings.Join(folders, " or "), Package)
}

// Serving is the argument with which the monitor starts the program.
const Serving = "serve"

// monitorFD is the descriptor of the link to the monitor in a process that it started.
const monitorFD = 3

// A Monitor is the fleet process's end of the link to the monitor that started it.
type Monitor struct {
	link  *Link
	taken chan struct{} // has room for one: the late order is dealt with
}

// Inherited returns the link of a process that the monitor started, and its configuration.
func Inherited() (*Monitor, Config, error) {
	conn, err := Conn(os.NewFile(monitorFD, "monitor"))
	if err != nil {
		return nil, Config{}, errors.New("it is started by the daemon alone (FLEET in fwknop.conf)")
	}
	return NewMonitor(conn)
}

// NewMonitor returns the link over conn, which it takes over, and the configuration that comes first.
func NewMonitor(conn *net.UnixConn) (*Monitor, Config, error) {
	m := &Monitor{NewLink(conn), make(chan struct{}, 1)}
	var cfg Config
	kind, content, err := m.link.Receive()
	switch {
	case err != nil:
	case kind != kindConfig:
		err = errKind
	default:
		err = json.Unmarshal(content, &cfg)
	}
	if err != nil {
		m.link.Close()
		return nil, cfg, err
	}
	return m, cfg, nil
}

// A Handler is what the monitor asks a fleet process for.
type Handler struct {
	// Link takes over a link that another process uses; it does not block.
	Link   func(p Purpose, conn *net.UnixConn)
	Status func() Status
	// Order and Done publish what the monitor orders or has done, Order stores it too. They do not block.
	Order func(text []byte)
	Done  func(text []byte)
}

// Run serves the monitor until ctx ends, or the monitor ends or hangs up: the error is nil then.
func (m *Monitor) Run(ctx context.Context, h Handler) error {
	defer m.link.Close()
	defer context.AfterFunc(ctx, func() { m.link.Close() })()
	for {
		kind, content, f, err := m.link.receiveFiles()
		if err == nil {
			err = m.handle(kind, content, f, h)
		}
		if err != nil {
			return ended(err)
		}
	}
}

func (m *Monitor) handle(kind byte, content []byte, f *os.File, h Handler) error {
	if f != nil && kind != kindLink {
		f.Close()
		return errFiles
	}
	switch kind {
	case kindLink:
		if f == nil {
			return errFiles
		}
		conn, err := Conn(f)
		if err != nil {
			return err
		}
		var l linkMessage
		if err := codec.Decode(content, &l); err != nil {
			conn.Close()
			return err
		}
		h.Link(l.Purpose, conn)
	case kindOrder, kindDone:
		var r relayMessage
		if err := codec.Decode(content, &r); err != nil {
			return err
		}
		if kind == kindOrder {
			h.Order([]byte(r.Text))
		} else {
			h.Done([]byte(r.Text))
		}
	case kindTaken:
		select {
		case m.taken <- struct{}{}:
		default:
			return errKind
		}
	case kindAsk:
		text, err := json.Marshal(h.Status())
		if err != nil {
			return err
		}
		return m.link.sendBytes(kindStatus, text)
	default:
		return errKind
	}
	return nil
}

// What the process tells the monitor. An error means that the monitor has gone, of which Run tells.

// Ready says that the configuration is in use: claims are answered, be it with a refusal.
func (m *Monitor) Ready() { _ = m.link.Send(kindReady, nil) }

// Failed says why the process is about to end.
func (m *Monitor) Failed(why string) { _ = m.link.Send(kindFailed, noticeMessage{cut(why)}) }

// Quorum says that claims can be decided from now on, or why they cannot.
func (m *Monitor) Quorum(quorum bool, why string) {
	_ = m.link.Send(kindQuorum, quorumMessage{quorum, cut(why)})
}

// Order passes on what another gateway orders, Done what it has done about an order.
func (m *Monitor) Order(from string, text []byte) {
	_ = m.link.Send(kindOrder, relayMessage{from, string(text)})
}
func (m *Monitor) Done(by string, text []byte) {
	_ = m.link.Send(kindDone, relayMessage{by, string(text)})
}

// Stored says that the fleet has stored an order of the monitor's.
func (m *Monitor) Stored(text []byte) { _ = m.link.Send(kindStored, relayMessage{Text: string(text)}) }

// Late passes on an order that the fleet has stored, and returns when it is dealt with. It reports false if ctx
// ends before. There may be one call at a time.
func (m *Monitor) Late(ctx context.Context, o LateOrder) bool {
	if err := m.link.Send(kindLate, o); err != nil {
		return false
	}
	select {
	case <-m.taken:
		return true
	case <-ctx.Done():
		return false
	}
}

// Message has a text logged.
func (m *Monitor) Message(text string) { _ = m.link.Send(kindMessage, noticeMessage{cut(text)}) }
