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
type mood string

const (
	good  mood = "[+]"
	bad   mood = "[-]"
	fatal mood = "[*]"
)

// maxMessage bounds one message, bytes.
const maxMessage = 4096

// A speaker is where the daemon says what it does: the terminal, the system log,
// mail. Its methods may be called from several goroutines.
type speaker struct {
	terminal  io.Writer // nil in the background
	journal   bool      // the terminal is the system's log as well: one of the two is enough
	useSyslog bool
	verbose   int
	marks     bool // of a 2.6 daemon: its lines go to the terminal too

	mu       sync.Mutex
	log      *syslog.Writer // nil: none
	priority syslog.Priority
	mails    chan string // nil: none
	errDir   string
	version  string
}

// newSpeaker follows SYSLOG_*, ALERTING_METHODS and EMAIL_ADDRESSES. The system log
// may be missing; mail may be too.
func newSpeaker(l *config.Loaded, terminal io.Writer, useSyslog bool, version string) *speaker {
	s := &speaker{terminal: terminal, verbose: l.Server.Verbose, marks: l.Server.Dialect == conf.C26, version: version, useSyslog: useSyslog}
	s.configure(l)
	return s
}

// configure takes over what the configuration says of logs and mail.
func (s *speaker) configure(l *config.Loaded) {
	c := l.Server
	mail, sys := true, s.useSyslog
	for _, word := range c.AlertMethods {
		switch strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToLower(word)) {
		case "noemail", "nomail":
			mail = false
		case "nosyslog":
			sys = false
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errDir = c.ErrDir
	if s.log != nil {
		s.log.Close()
		s.log = nil
	}
	if sys {
		s.priority = severities[c.SyslogPriority]
		facility := facilities[c.SyslogFacility]
		if w, err := syslog.New(facility|s.priority, c.SyslogIdentity); err == nil {
			s.log = w
		}
	}
	if s.mails != nil {
		close(s.mails)
		s.mails = nil
	}
	if m := newMailer(l); mail && m != nil {
		s.mails = make(chan string, mailBurst)
		go m.run(s.mails)
	}
}

// say tells of an ordinary event.
func (s *speaker) say(m mood, format string, args ...any) { s.tell(m, false, format, args...) }

// alert is say for what the administrator should get by mail too.
func (s *speaker) alert(m mood, format string, args ...any) { s.tell(m, true, format, args...) }

func (s *speaker) tell(m mood, mail bool, format string, args ...any) {
	text := clean(fmt.Sprintf(format, args...))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.terminal != nil && !(s.journal && s.log != nil) {
		fmt.Fprintf(s.terminal, "%s %s\n", m, text)
	}
	if s.log != nil {
		s.toSyslog(m, text)
	}
	if mail && s.mails != nil {
		select {
		case s.mails <- string(m) + " " + text:
		default:
		}
	}
	if m == bad {
		s.lastWords("fwknopd.warn", text)
	}
}

// mark prints a line that scripts for the 2.6 daemon wait for.
func (s *speaker) mark(format string, args ...any) {
	if s.marks {
		s.say(good, format, args...)
	}
}

func (s *speaker) toSyslog(m mood, text string) {
	var err error
	switch line := string(m) + " " + text; {
	case m == fatal:
		err = s.log.Crit(line)
	case m == bad && s.priority > syslog.LOG_WARNING:
		err = s.log.Warning(line)
	default:
		_, err = s.log.Write([]byte(line))
	}
	if err != nil && s.terminal != nil {
		fmt.Fprintf(s.terminal, "%s syslog: %v\n", bad, err)
	}
}

// die notes why the daemon ends, for who comes later.
func (s *speaker) die(format string, args ...any) {
	text := clean(fmt.Sprintf(format, args...))
	s.tell(fatal, true, "%s", text)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastWords("fwknopd.die", text)
}

// lastWords appends to a file of FWKNOP_ERR_DIR. That it cannot be written is
// nothing to die of.
func (s *speaker) lastWords(name, text string) {
	if s.errDir == "" {
		return
	}
	f, err := os.OpenFile(filepath.Join(s.errDir, name), os.O_WRONLY|os.O_CREATE|os.O_APPEND|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	fmt.Fprintf(f, "%s fwknopd v%s pid: %d %s\n", time.Now().Format(time.ANSIC), s.version, os.Getpid(), text)
}

// close waits for nothing: mails that are under way go on.
func (s *speaker) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.log != nil {
		s.log.Close()
		s.log = nil
	}
	if s.mails != nil {
		close(s.mails)
		s.mails = nil
	}
}

// clean keeps control characters out of terminals and logs, and messages short.
func clean(text string) string {
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
func cleanLines(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = clean(lines[i])
	}
	return strings.Join(lines, "\n")
}

var facilities = map[string]syslog.Priority{
	"LOG_DAEMON": syslog.LOG_DAEMON, "LOG_AUTH": syslog.LOG_AUTH, "LOG_AUTHPRIV": syslog.LOG_AUTHPRIV, "LOG_CRON": syslog.LOG_CRON,
	"LOG_FTP": syslog.LOG_FTP, "LOG_KERN": syslog.LOG_KERN, "LOG_LPR": syslog.LOG_LPR, "LOG_MAIL": syslog.LOG_MAIL,
	"LOG_NEWS": syslog.LOG_NEWS, "LOG_SYSLOG": syslog.LOG_SYSLOG, "LOG_USER": syslog.LOG_USER, "LOG_UUCP": syslog.LOG_UUCP,
	"LOG_LOCAL0": syslog.LOG_LOCAL0, "LOG_LOCAL1": syslog.LOG_LOCAL1, "LOG_LOCAL2": syslog.LOG_LOCAL2, "LOG_LOCAL3": syslog.LOG_LOCAL3,
	"LOG_LOCAL4": syslog.LOG_LOCAL4, "LOG_LOCAL5": syslog.LOG_LOCAL5, "LOG_LOCAL6": syslog.LOG_LOCAL6, "LOG_LOCAL7": syslog.LOG_LOCAL7,
}

var severities = map[string]syslog.Priority{
	"LOG_EMERG": syslog.LOG_EMERG, "LOG_ALERT": syslog.LOG_ALERT, "LOG_CRIT": syslog.LOG_CRIT, "LOG_ERR": syslog.LOG_ERR,
	"LOG_WARNING": syslog.LOG_WARNING, "LOG_NOTICE": syslog.LOG_NOTICE, "LOG_INFO": syslog.LOG_INFO, "LOG_DEBUG": syslog.LOG_DEBUG,
}
