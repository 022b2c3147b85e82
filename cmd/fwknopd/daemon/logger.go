package daemon

import (
	"fmt"
	"io"
	"log/syslog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/policy/conf"
)

// A mood is how bad a message is, in the signs of the 1.9 daemon.
type severity string

const (
	info     severity = "[+]"
	warning  severity = "[-]"
	critical severity = "[*]"
)

// maxMessage bounds one message, bytes.
const maxMessage = 4096

// A speaker is where the daemon says what it does: the terminal, the system log,
// mail. Its methods may be called from several goroutines.
type logger struct {
	terminal  io.Writer // nil in the background
	journal   bool      // the terminal is the system's log as well: one of the two is enough
	useSyslog bool
	verbose   int
	compat26  bool // of a 2.6 daemon: its lines go to the terminal too

	mu       sync.Mutex
	syslog   *syslog.Writer // nil: none
	priority syslog.Priority
	mails    chan string // nil: none
	errDir   string
	version  string
}

// newSpeaker follows SYSLOG_*, ALERTING_METHODS and EMAIL_ADDRESSES. The system log
// may be missing; mail may be too.
func newLogger(loaded *config.Loaded, terminal io.Writer, useSyslog bool, version string) *logger {
	l := &logger{terminal: terminal, verbose: loaded.Server.Verbose, compat26: loaded.Server.Dialect == conf.C26, version: version, useSyslog: useSyslog}
	l.configure(loaded)
	return l
}

// configure takes over what the configuration says of logs and mail.
func (l *logger) configure(loaded *config.Loaded) {
	c := loaded.Server
	mail, sys := true, l.useSyslog
	for _, word := range c.AlertMethods {
		switch strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToLower(word)) {
		case "noemail", "nomail":
			mail = false
		case "nosyslog":
			sys = false
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.errDir = c.ErrDir
	if l.syslog != nil {
		l.syslog.Close()
		l.syslog = nil
	}
	if sys {
		l.priority = syslogSeverities[c.SyslogPriority]
		facility := syslogFacilities[c.SyslogFacility]
		if w, err := syslog.New(facility|l.priority, c.SyslogIdentity); err == nil {
			l.syslog = w
		}
	}
	if l.mails != nil {
		close(l.mails)
		l.mails = nil
	}
	if m := newMailer(loaded); mail && m != nil {
		l.mails = make(chan string, mailBurst)
		go m.run(l.mails)
	}
}

// say tells of an ordinary event.
func (l *logger) logf(sev severity, format string, args ...any) { l.write(sev, false, format, args...) }

// alert is say for what the administrator should get by mail too.
func (l *logger) alertf(sev severity, format string, args ...any) {
	l.write(sev, true, format, args...)
}

func (l *logger) write(sev severity, mail bool, format string, args ...any) {
	text := sanitize(fmt.Sprintf(format, args...))
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.terminal != nil && !(l.journal && l.syslog != nil) {
		fmt.Fprintf(l.terminal, "%s %s\n", sev, text)
	}
	if l.syslog != nil {
		l.writeSyslog(sev, text)
	}
	if mail && l.mails != nil {
		select {
		case l.mails <- string(sev) + " " + text:
		default:
		}
	}
	if sev == warning {
		l.appendErrFile("fwknopd.warn", text)
	}
}

// mark prints a line that scripts for the 2.6 daemon wait for.
func (l *logger) compatf(format string, args ...any) {
	if l.compat26 {
		l.logf(info, format, args...)
	}
}

func (l *logger) writeSyslog(sev severity, text string) {
	var err error
	switch line := string(sev) + " " + text; {
	case sev == critical:
		err = l.syslog.Crit(line)
	case sev == warning && l.priority > syslog.LOG_WARNING:
		err = l.syslog.Warning(line)
	default:
		_, err = l.syslog.Write([]byte(line))
	}
	if err != nil && l.terminal != nil {
		fmt.Fprintf(l.terminal, "%s syslog: %v\n", warning, err)
	}
}

// die notes why the daemon ends, for who comes later.
func (l *logger) fatalf(format string, args ...any) {
	text := sanitize(fmt.Sprintf(format, args...))
	l.write(critical, true, "%s", text)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.appendErrFile("fwknopd.die", text)
}

// lastWords appends to a file of FWKNOP_ERR_DIR. That it cannot be written is
// nothing to die of.
func (l *logger) appendErrFile(name, text string) {
	if l.errDir == "" {
		return
	}
	f, err := os.OpenFile(filepath.Join(l.errDir, name), os.O_WRONLY|os.O_CREATE|os.O_APPEND|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	fmt.Fprintf(f, "%s fwknopd v%s pid: %d %s\n", time.Now().Format(time.ANSIC), l.version, os.Getpid(), text)
}

// close waits for nothing: mails that are under way go on.
func (l *logger) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.syslog != nil {
		l.syslog.Close()
		l.syslog = nil
	}
	if l.mails != nil {
		close(l.mails)
		l.mails = nil
	}
}

// clean keeps control characters out of terminals and logs, and messages short.
func sanitize(text string) string {
	if len(text) > maxMessage {
		text = text[:maxMessage] + "…"
	}
	return strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		if r < ' ' || r == 0x7f || r == 0xfffd || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, text)
}

// cleanLines is clean for a text of several lines, such as what a program dies with.
func sanitizeLines(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = sanitize(lines[i])
	}
	return strings.Join(lines, "\n")
}

var syslogFacilities = map[string]syslog.Priority{
	"LOG_DAEMON": syslog.LOG_DAEMON, "LOG_AUTH": syslog.LOG_AUTH, "LOG_AUTHPRIV": syslog.LOG_AUTHPRIV, "LOG_CRON": syslog.LOG_CRON,
	"LOG_FTP": syslog.LOG_FTP, "LOG_KERN": syslog.LOG_KERN, "LOG_LPR": syslog.LOG_LPR, "LOG_MAIL": syslog.LOG_MAIL,
	"LOG_NEWS": syslog.LOG_NEWS, "LOG_SYSLOG": syslog.LOG_SYSLOG, "LOG_USER": syslog.LOG_USER, "LOG_UUCP": syslog.LOG_UUCP,
	"LOG_LOCAL0": syslog.LOG_LOCAL0, "LOG_LOCAL1": syslog.LOG_LOCAL1, "LOG_LOCAL2": syslog.LOG_LOCAL2, "LOG_LOCAL3": syslog.LOG_LOCAL3,
	"LOG_LOCAL4": syslog.LOG_LOCAL4, "LOG_LOCAL5": syslog.LOG_LOCAL5, "LOG_LOCAL6": syslog.LOG_LOCAL6, "LOG_LOCAL7": syslog.LOG_LOCAL7,
}

var syslogSeverities = map[string]syslog.Priority{
	"LOG_EMERG": syslog.LOG_EMERG, "LOG_ALERT": syslog.LOG_ALERT, "LOG_CRIT": syslog.LOG_CRIT, "LOG_ERR": syslog.LOG_ERR,
	"LOG_WARNING": syslog.LOG_WARNING, "LOG_NOTICE": syslog.LOG_NOTICE, "LOG_INFO": syslog.LOG_INFO, "LOG_DEBUG": syslog.LOG_DEBUG,
}
