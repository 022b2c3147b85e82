package daemon

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/firewall"
	"fwknopd/enforce/command"
)

// Limits of mail.
const (
	mailTimeout = 30 * time.Second
	mailBurst   = 10 // queued mails; more are dropped
	mailPause   = 2 * time.Second
)

// A mailer sends each message as one mail, with the text in the subject.
type mailer struct {
	sendmail, mail string
	to             []string
	host           string
}

func newMailer(l *config.Loaded) *mailer {
	s := l.Server
	host, _ := os.Hostname()
	m := &mailer{to: s.MailTo, host: cmp.Or(s.Hostname, host),
		sendmail: firewall.FindProgram(s.SendmailExe), mail: firewall.FindProgram(s.MailExe)}
	if len(m.to) == 0 || m.sendmail == "" && m.mail == "" {
		return nil
	}
	return m
}

func (m *mailer) run(texts <-chan string) {
	for text := range texts {
		m.send(text)
		time.Sleep(mailPause)
	}
}

func (m *mailer) send(text string) {
	subject := strings.ReplaceAll(text, `"`, "")
	if sign, rest, ok := strings.Cut(subject, " "); ok {
		subject = sign + " " + m.host + " fwknopd: " + rest
	}
	c := command.Command{Argv: append([]string{m.mail, "-s", subject}, m.to...), Timeout: mailTimeout}
	if m.sendmail != "" {
		c.Argv = []string{m.sendmail, "-t"}
		c.Stdin = fmt.Sprintf("From: %s\nTo: %s\nSubject: %s\n\n", m.to[0], strings.Join(m.to, ", "), subject)
	}
	_, _ = command.Run(context.Background(), c) // there is no other place to report the error
}
