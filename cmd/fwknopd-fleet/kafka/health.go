package kafka

import (
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"fwknopd/cmd/fwknopd/fleetlink"
)

// troubleEnds is how long trouble lasts that does not come again: the client tries a broker that it
// needs every few seconds, and topics are looked up each metadataAge.
const troubleEnds = 3 * metadataAge

// groupTrouble is what has trouble where the group as a whole cannot be used.
const groupTrouble = "group"

// A health tells the worker what keeps lines from coming. It is a hook of the client.
type health struct {
	out *fleetlink.LineSender

	mu       sync.Mutex
	troubles map[string]trouble // by broker, partition or group
	joined   bool               // the group was joined once
	told     string
}

type trouble struct {
	why  string
	last time.Time
}

func newHealth(out *fleetlink.LineSender) *health {
	h := &health{out: out, troubles: make(map[string]trouble)}
	h.tell()
	return h
}

// set sets or, without an error, ends the trouble of what.
func (h *health) set(what string, err error) {
	if errors.Is(err, context.Canceled) || errors.Is(err, kgo.ErrClientClosed) {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil {
		delete(h.troubles, what)
	} else {
		h.troubles[what] = trouble{what + ": " + err.Error(), time.Now()}
	}
	h.tell()
}

// tell tells the worker what has changed. h.mu must be held.
func (h *health) tell() {
	var whys []string
	for _, what := range slices.Sorted(maps.Keys(h.troubles)) {
		whys = append(whys, h.troubles[what].why)
	}
	text := strings.Join(whys, "; ")
	if text == "" && !h.joined {
		text = "connecting to the brokers"
	}
	if text != h.told {
		h.told = text
		h.out.Away(text)
	}
}

// join notes that the group was joined.
func (h *health) join() {
	h.mu.Lock()
	h.joined = true
	h.mu.Unlock()
	h.set(groupTrouble, nil)
}

// OnBrokerConnect implements kgo.HookBrokerConnect.
func (h *health) OnBrokerConnect(b kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	if errors.Is(err, io.EOF) {
		err = errors.New("the broker ends the connection: it may not accept KAFKA_CREDENTIALS, or KAFKA_TLS is not what it expects")
	}
	h.set(net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port))), err)
}

// OnBrokerRead implements kgo.HookBrokerRead.
func (h *health) OnBrokerRead(_ kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration, err error) {
	if err != nil || key != int16(kmsg.Fetch) {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	maps.DeleteFunc(h.troubles, func(_ string, t trouble) bool { return time.Since(t.last) > troubleEnds })
	h.tell()
}

// OnGroupManageError implements kgo.HookGroupManageError.
func (h *health) OnGroupManageError(err error) { h.set(groupTrouble, err) }
