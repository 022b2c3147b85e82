package firewalld

import (
	"context"
	"time"

	"github.com/godbus/dbus/v5"
)

// reconnectPause is between two attempts to get a lost connection back.
const reconnectPause = time.Second

// Signals of our own changes, too.
const (
	ruleAdded   = zoneAPI + "RichRuleAdded"
	ruleRemoved = zoneAPI + "RichRuleRemoved"
)

// telling are the signals after which rules may be missing, or in the wrong zone.
var telling = map[string]bool{
	busName + ".Reloaded":                   true,
	busName + ".DefaultZoneChanged":         true,
	ruleAdded:                               true,
	ruleRemoved:                             true,
	zoneAPI + "ZoneChanged":                 true,
	zoneAPI + "ZoneUpdated":                 true,
	zoneAPI + "ZoneOfInterfaceChanged":      true,
	zoneAPI + "ZoneOfSourceChanged":         true,
	zoneAPI + "InterfaceAdded":              true,
	zoneAPI + "InterfaceRemoved":            true,
	zoneAPI + "SourceAdded":                 true,
	zoneAPI + "SourceRemoved":               true,
	"org.freedesktop.DBus.NameOwnerChanged": true,
}

// Watch implements [enforce.Backend]: firewalld signals a reload and each change of its
// zones, and the bus a firewalld that comes or goes.
func (b *Backend) Watch(ctx context.Context) (<-chan struct{}, error) {
	changed := make(chan struct{}, 1)
	s, err := b.subscribe(ctx)
	if err != nil {
		return nil, err
	}
	go func() {
		defer close(changed)
		for s != nil {
			b.pass(ctx, s.signals, changed)
			s.close()
			notify(changed) // the connection was lost
			s = b.resubscribe(ctx)
			notify(changed)
		}
	}()
	return changed, nil
}

// A subscription is a connection of its own that signals come on.
type subscription struct {
	*bus
	signals chan *dbus.Signal // closed with the connection
}

// subscribe asks for the signals.
func (b *Backend) subscribe(ctx context.Context) (*subscription, error) {
	own := subscription{newBus(b.bus.address, b.bus.timeout), make(chan *dbus.Signal, 64)}
	conn, err := own.connect(ctx)
	if err != nil {
		return nil, err
	}
	conn.Signal(own.signals) // first, so that none is lost
	for _, match := range []string{
		"type='signal',sender='" + busName + "'",
		"type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='" + busName + "'",
	} {
		if err := own.do(ctx, conn.BusObject(), nil, "org.freedesktop.DBus.AddMatch", match); err != nil {
			own.close()
			return nil, err
		}
	}
	return &own, nil
}

// resubscribe tries until it has a connection; it returns nil when ctx ends.
func (b *Backend) resubscribe(ctx context.Context) *subscription {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(reconnectPause):
		}
		if s, err := b.subscribe(ctx); err == nil {
			return s
		}
	}
}

// pass passes signals on until the connection is lost, or ctx ends.
func (b *Backend) pass(ctx context.Context, signals <-chan *dbus.Signal, changed chan<- struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case s, ok := <-signals:
			if !ok {
				return
			}
			if telling[s.Name] && !b.bus.isEcho(s) {
				notify(changed)
			}
		}
	}
}

func notify(changed chan<- struct{}) {
	select {
	case changed <- struct{}{}:
	default:
	}
}
