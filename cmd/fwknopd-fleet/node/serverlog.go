package node

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// serverLog passes on what the server warns of, a few lines a minute; what it does is not for the
// log of a gateway.
type serverLog struct {
	write func(string)
	limit *rate.Limiter
}

func newServerLog(write func(string)) *serverLog {
	return &serverLog{write, rate.NewLimiter(rate.Every(15*time.Second), 5)}
}

func (*serverLog) Noticef(string, ...any) {}
func (*serverLog) Debugf(string, ...any)  {}
func (*serverLog) Tracef(string, ...any)  {}

func (l *serverLog) Warnf(format string, v ...any)  { l.say(format, v...) }
func (l *serverLog) Errorf(format string, v ...any) { l.say(format, v...) }
func (l *serverLog) Fatalf(format string, v ...any) { l.say(format, v...) }

func (l *serverLog) say(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	if !usual(text) && l.limit.Allow() {
		l.write("NATS server: " + text)
	}
}

// usual reports whether a line says what is so by intent, or what the fleet's own state says better.
func usual(text string) bool {
	return slices.ContainsFunc(usualLines, func(part string) bool { return strings.Contains(text, part) })
}

var usualLines = []string{
	"hostname of solicited routes will not be verified", // the pins are, see memberTLS
	"invalid port", // see noPort
	"JetStream cluster ", "Metalayer blocking snapshot", "Error trying to connect to route",
	"state is outdated", "Stream state outdated", "Recovering stream state", "Catchup for stream", "Error flushing",
}
