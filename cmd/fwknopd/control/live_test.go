package control

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd/report"
	"fwknopd/policy/conf"
)

// live runs a command on the daemon of p and returns its exit code, output and errors.
func (p place) live(run func(args []string, stdout, stderr io.Writer) int, args ...string) string {
	var out, errs bytes.Buffer
	code := run(append([]string{"-c", p.conf}, args...), &out, &errs)
	return fmt.Sprintf("%d\n%s---\n%s", code, out.String(), errs.String())
}

func TestReloadVerdicts(t *testing.T) {
	at := time.Date(2026, 11, 29, 4, 30, 0, 0, time.UTC)
	wrong := conf.Problem{Pos: conf.Pos{File: "access.conf", Line: 3}, Keyword: "NONSENSE", Text: "unknown keyword"}
	later := conf.Problem{Text: "PCAP_INTF has changed: that counts from the next start on", Severity: conf.Warning}
	unconfirmed, kept := report.NewReload(at, 1, nil), report.NewReload(at, 1, nil)
	unconfirmed.Verdict = report.ReloadUnconfirmed
	kept.Verdict, kept.Error = report.ReloadNotApplied, "UDP: busy"
	for name, c := range map[string]struct {
		verdict report.Reload
		err     error
		want    string
	}{
		"loaded":      {report.NewReload(at, 3, conf.Problems{later}), nil, "0\nconfiguration loaded again: 3 stanzas\n---\nwarning: " + later.Text + "\n"},
		"refused":     {report.NewReload(at, 0, conf.Problems{wrong}), nil, "78\n---\naccess.conf:3: NONSENSE: unknown keyword\nfwknopd: the new configuration is refused, the old one stays in force\n"},
		"not applied": {kept, nil, "1\n---\nfwknopd: the worker keeps its configuration: UDP: busy\n"},
		"unconfirmed": {unconfirmed, nil, "1\n---\nfwknopd: configuration loaded again: 1 stanza; the worker has not said that it has loaded them\n"},
		"ending":      {report.Reload{}, errNoAnswer, "1\n---\nfwknopd: daemon: the daemon hung up before it answered\n"},
	} {
		p := newPlace(t, true)
		stop, err := Serve(SocketPath(p.pidFile), open(t), Host{Reload: func(context.Context) (report.Reload, error) { return c.verdict, c.err }})
		if err != nil {
			t.Fatal(err)
		}
		check(t, name, p.live(Reload), c.want)
		if c.err == nil {
			text, _, _ := strings.Cut(c.want, "\n")
			got := p.live(Reload, "--json")
			if want := text + "\n" + string(c.verdict.JSON()) + "\n---\n"; !strings.HasPrefix(got, want) {
				t.Errorf("%s: JSON\n%s\nwant\n%s", name, got, want)
			}
		}
		stop()
	}
}

// A broken configuration is for the daemon to judge, also where only it names the socket.
func TestLiveCommandsWithBadConfiguration(t *testing.T) {
	p := newPlace(t, true, "NONSENSE 1")
	s := report.Status{V: 1, Running: true, PID: 70, Version: "1", Sandbox: "on"}
	stop, err := Serve(SocketPath(p.pidFile), open(t), Host{Status: func(context.Context) report.Status { return s }})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	check(t, "text", p.live(Status), "0\n"+s.Text()+"---\n")
	check(t, "JSON", p.live(Status, "--json"), "0\n"+string(s.JSON())+"\n---\n")
}

func TestLiveCommandsWithoutDaemon(t *testing.T) {
	p := newPlace(t, false)
	want := "1\n---\nfwknopd: no running fwknopd detected (" + p.pidFile + ")\n"
	check(t, "reload", p.live(Reload), want)
	check(t, "status", p.live(Status), want)
	check(t, "status as JSON", p.live(Status, "--json"), "1\n{\"v\":1,\"running\":false,\"pid_file\":\""+p.pidFile+"\"}\n---\n")

	d := start(t, "", "obedient", p.pidFile)
	want = fmt.Sprintf("1\n---\nfwknopd: the daemon (pid %d) does not listen at %s\n", d.Process.Pid, SocketPath(p.pidFile))
	check(t, "reload of a deaf daemon", p.live(Reload), want)
	check(t, "status of a deaf daemon", p.live(Status), want)
	if !d.alive() {
		t.Error("the daemon was ended")
	}

	p.conf += ".missing"
	want = "1\n---\nfwknopd: open " + p.conf + ": no such file or directory\n"
	check(t, "no configuration", p.live(Reload), want)
}

// A daemon that answers in another way than expected, as one of another release.
func TestLiveCommandsAndOtherDaemons(t *testing.T) {
	for answer, want := range map[string]string{
		`{"error":"request \"reload\" is not known to this daemon"}`: "1\n---\nfwknopd: daemon: request \"reload\" is not known to this daemon\n",
		`{"grants":null}`: "1\n---\nfwknopd: the daemon gave no verdict\n",
		`{"reload":{"verdict":"dance\u001b[2J","problems":[]}}`: "1\n---\nfwknopd: dance?[2J\n",
		"": "1\n---\nfwknopd: daemon: answer of the daemon: the daemon hung up before it answered\n",
	} {
		p := newPlace(t, true)
		l, err := net.Listen("unix", SocketPath(p.pidFile))
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan struct{})
		go func() {
			defer close(served)
			conn, err := l.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			buf := make([]byte, maxRequest)
			conn.Read(buf)
			io.WriteString(conn, answer)
		}()
		check(t, answer, p.live(Reload), want)
		l.Close()
		<-served
	}
}

// Files that only root may read: the error says what to do.
func TestLiveCommandsWithoutRights(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("needs a user other than root")
	}
	p := newPlace(t, true)
	if err := os.Chmod(p.conf, 0); err != nil {
		t.Fatal(err)
	}
	check(t, "status", p.live(Status), "1\n---\nfwknopd: open "+p.conf+": permission denied: run as root\n")
}
