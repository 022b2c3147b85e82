package daemon

import (
	"bytes"
	"fmt"
	"io"
	"log/syslog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"fwknopd/fixtures/wait"
)

// Alerts are mailed one by one through sendmail (a stub); other messages are not.
func TestMail(t *testing.T) {
	dir := t.TempDir()
	program, box := filepath.Join(dir, "sendmail"), filepath.Join(dir, "box")
	if err := os.WriteFile(program, []byte("#!/bin/sh\necho \"args $*\" >> "+box+"\ncat >> "+box+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	server := "EMAIL_ADDRESSES root@localhost, ops@example.org;\nHOSTNAME gate;\nsendmailCmd " + program + ";\n"
	open := func(server string) *logger {
		s, problems := prepare(files(t, server, plainStanza))
		if problems.Failed() {
			t.Fatal(problems)
		}
		return newLogger(s.Loaded, io.Discard, false, "1")
	}
	l := open(server)
	l.logf(info, "nothing to write home about")
	l.alertf(warning, `a "quoted"%s`, "\nSubject: forged")
	l.close()
	var got string
	wait.For(t, "the mail", func() bool {
		text, _ := os.ReadFile(box)
		got = string(text)
		return strings.Contains(got, "\n\n")
	})
	for _, want := range []string{"args -t\n", "From: root@localhost\n", "To: root@localhost, ops@example.org\n",
		"Subject: [-] gate fwknopd: a quoted?Subject: forged\n\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("the mail lacks %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "home") {
		t.Errorf("an ordinary message was mailed:\n%s", got)
	}
	l = open(server + "ALERTING_METHODS noemail;\n")
	defer l.close()
	if l.mails != nil {
		t.Error("mails in spite of noemail")
	}
}

// A message that reaches the systemd journal through syslog is not written to standard
// error as well.
func TestJournalNoDuplicates(t *testing.T) {
	s, problems := prepare(files(t, "", plainStanza))
	if problems.Failed() {
		t.Fatal(problems)
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	if isJournal(f) {
		t.Error("a file is the journal")
	}
	t.Setenv("JOURNAL_STREAM", fmt.Sprintf("%d:%d", st.Dev, st.Ino))
	if !isJournal(f) {
		t.Error("JOURNAL_STREAM is not seen")
	}
	server, err := net.ListenPacket("unixgram", filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	var terminal bytes.Buffer
	l := newLogger(s.Loaded, &terminal, false, "1")
	l.journal = true
	l.logf(info, "there is no syslog")
	if l.syslog, err = syslog.Dial("unixgram", server.LocalAddr().String(), syslog.LOG_INFO, "fwknopd"); err != nil {
		t.Fatal(err)
	}
	defer l.close()
	l.logf(info, "there is one")
	got := make([]byte, 1024)
	n, _, err := server.ReadFrom(got)
	if err != nil || !bytes.Contains(got[:n], []byte("[+] there is one")) || terminal.String() != "[+] there is no syslog\n" {
		t.Errorf("syslog %q, %v; terminal %q", got[:n], err, &terminal)
	}
}

func TestErrFiles(t *testing.T) {
	dir := t.TempDir()
	s, problems := prepare(files(t, "FWKNOP_ERR_DIR "+dir+";\nALERTING_METHODS noemail;\n", plainStanza))
	if problems.Failed() {
		t.Fatal(problems)
	}
	l := newLogger(s.Loaded, nil, false, "9.9")
	defer l.close()
	l.logf(warning, "a warning")
	l.fatalf("the end of %s", "it all")
	for name, want := range map[string]string{"fwknopd.warn": "a warning\n", "fwknopd.die": "the end of it all\n"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !strings.HasSuffix(string(text), want) || !strings.Contains(string(text), "fwknopd v9.9 pid: ") {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
}
