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
	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/policy/conf"
)

// A severity is the severity of a message, as the 1.9 daemon prints it.
type severity string

const (
	info     severity = "[+]"
	warning  severity = "[-]"
	critical severity = "[*]"
)

// A logger writes messages to the terminal, syslog and mail. Its methods may be called
// concurrently.
type logger struct {
	terminal  io.Writer // nil in the background
	journal   bool      // the terminal is the systemd journal, which also has the syslog messages
	useSyslog bool
	verbose   int
	compat26  bool // the configuration is of 2.6: its log lines are printed too

	mu       sync.Mutex
	syslog   *syslog.Writer // nil: none
	priority syslog.Priority
	mails    chan string // nil: none
	errDir   string
	version  string
}

// newLogger returns a logger for SYSLOG_*, ALERTING_METHODS and EMAIL_ADDRESSES. It
// also works without syslog or a mail program.
func newLogger(loaded *config.Loaded, terminal io.Writer, useSyslog bool, version string) *logger {
	l := &logger{terminal: terminal, verbose: loaded.Server.Verbose, compat26: loaded.Server.Dialect == conf.C26, version: version, useSyslog: useSyslog}
	l.configure(loaded)
	return l
}

// configure applies the settings for syslog and mail.
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

// logf logs a message.
func (l *logger) logf(sev severity, format string, args ...any) { l.write(sev, false, format, args...) }

// alertf logs a message and sends it by mail.
func (l *logger) alertf(sev severity, format string, args ...any) {
	l.write(sev, true, format, args...)
}

func (l *logger) write(sev severity, mail bool, format string, args ...any) {
	text := privsep.Sanitize(fmt.Sprintf(format, args...))
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

// compatf logs a line of the 2.6 daemon.
func (l *logger) compatf(format string, args ...any) {
	if l.compat26 {
		l.logf(info, format, args...)
	}
}

// writeSyslog sends a message to syslog. l.mu must be held.
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

// fatalf logs why the daemon ends. It does not end it.
func (l *logger) fatalf(format string, args ...any) {
	text := privsep.Sanitize(fmt.Sprintf(format, args...))
	l.write(critical, true, "%s", text)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.appendErrFile("fwknopd.die", text)
}

// close closes syslog and the mail queue. It does not wait for mails to be sent.
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

// maxErrFile is the size at which a file in FWKNOP_ERR_DIR is renamed, in place of the one
// renamed before.
const maxErrFile = 1 << 20

// appendErrFile appends to a file in FWKNOP_ERR_DIR; errors are ignored. l.mu must be
// held.
func (l *logger) appendErrFile(name, text string) {
	if l.errDir == "" {
		return
	}
	path := filepath.Join(l.errDir, name)
	line := fmt.Sprintf("%s fwknopd v%s pid: %d %s\n", time.Now().Format(time.ANSIC), l.version, os.Getpid(), text)
	if st, err := os.Lstat(path); err == nil && st.Mode().IsRegular() && st.Size()+int64(len(line)) > maxErrFile {
		_ = os.Rename(path, path+".1")
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	if endsInLine(f) {
		line = "\n" + line
	}
	_, _ = f.WriteString(line)
}

// endsInLine reports whether a regular file has a last line without a newline.
func endsInLine(f *os.File) bool {
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() || st.Size() == 0 {
		return false
	}
	in, err := os.OpenFile(f.Name(), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer in.Close()
	last := make([]byte, 1)
	_, err = in.ReadAt(last, st.Size()-1)
	return err == nil && last[0] != '\n'
}

// hostname returns the name of this host, for messages.
func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "this host"
	}
	return name
}
