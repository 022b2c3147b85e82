package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"fwknopd/enforce"
	"fwknopd/policy/conf"
	"fwknopd/policy/spa"
)

func TestExternalCommands(t *testing.T) {
	pair := func(s *situation, open, end string) {
		s.one().ExternalOpen, s.one().ExternalClose = open, end
		s.one().Vars = map[string]string{"PORT_OFFSET": "61000", "OPEN_PORTS": "tcp/22, udp/53", "SRCX": "static"}
	}
	cycle := func(s *situation, open, end string) {
		s.one().CycleOpen, s.one().CycleClose, s.one().CycleTimer = open, end, 20*time.Second
	}
	tests := []struct {
		name        string
		set         func(*situation)
		open, close string // arguments joined by |
		life        int64
	}{
		{"variables", func(s *situation) { pair(s, "/sbin/open -s $SRC -p $PORT/$PROTO", "/sbin/close $SRC") },
			"/sbin/open|-s|192.0.2.7|-p|22/tcp", "/sbin/close|192.0.2.7", 30},
		{"longest name first", func(s *situation) { pair(s, "o $PORT_OFFSET $SRCX $PORTX", "c") },
			"o|61000|static|22X", "c", 30},
		{"every occurrence", func(s *situation) { pair(s, "o $SRC,$SRC", "c") }, "o|192.0.2.7,192.0.2.7", "c", 30},
		{"values stay in their argument", func(s *situation) { pair(s, `o $OPEN_PORTS "$SRC $PORT" 'no $SRC' a\ b ""`, "c") },
			"o|tcp/22, udp/53|192.0.2.7 22|no $SRC|a b|", "c", 30},
		{"unknown names stand", func(s *situation) { pair(s, "o $NOBODY $ x$", "c") }, "o|$NOBODY|$|x$", "c", 30},
		{"with a prefix", func(s *situation) {
			s.server.ExternalPrefix = "FWKNOP_"
			pair(s, "o $FWKNOP_SRC $SRC", "c")
		}, "o|192.0.2.7|$SRC", "c", 30},
		{"client's time", func(s *situation) { pair(s, "o", "c"); s.timeout(60) }, "o", "c", 60},
		{"cycle", func(s *situation) {
			cycle(s, "o $IP $SRC $PKT_SRC $DST $PORT $PROTO $TIMEOUT $CLIENT_TIMEOUT $ELSE", "c $SRC")
			s.msg.Text = "203.0.113.9,tcp/22"
		}, "o|203.0.113.9|203.0.113.9|192.0.2.7|198.51.100.1|22|6|1700000021|0|ELSE", "c|203.0.113.9", 20},
		{"cycle by the client's time", func(s *situation) { cycle(s, "o $CLIENT_TIMEOUT", ""); s.timeout(60) }, "o|60", "", 60},
		{"cycle comes before the pair", func(s *situation) { pair(s, "pair", "c"); cycle(s, "cycle", "") }, "cycle", "", 20},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := plain()
			tt.set(s)
			d := s.decide(t)
			if d.Verdict != Allow || d.Grant.External == nil {
				t.Fatalf("%s %+v", show(d), d.Detail)
			}
			x := d.Grant.External
			if got := strings.Join(x.Open, "|"); got != tt.open {
				t.Errorf("open  %q\nwant  %q", got, tt.open)
			}
			if got := strings.Join(x.Close, "|"); got != tt.close {
				t.Errorf("close %q\nwant  %q", got, tt.close)
			}
			if life := int64(d.Grant.Expires.Sub(s.now) / time.Second); life != tt.life || x.Timeout != 30*time.Second {
				t.Errorf("for %d s, each run %v", life, x.Timeout)
			}
			checkLimits(t, s, d.Grant)
		})
	}
}

// checkLimits: the privileged side, which knows the configuration alone, finds in
// it what the engine made.
func checkLimits(t *testing.T, s *situation, g enforce.Grant) {
	t.Helper()
	limits, err := ExternalLimits(s.one(), &s.server)
	if err != nil {
		t.Fatal(err)
	}
	l := enforce.Limits{Stanzas: []enforce.Allowance{{AnyPort: true,
		Stanza: 1, Source: anyone.Include, MaxLifetime: time.Hour, External: limits,
	}}}
	if err := l.Check(g, s.now); err != nil {
		t.Errorf("limits refuse it: %v", err)
	}
	g.External = &enforce.External{Open: append(slices.Clone(g.External.Open), "more"), Close: g.External.Close, Env: g.External.Env, Timeout: g.External.Timeout}
	if l.Check(g, s.now) == nil {
		t.Error("limits let one more argument pass")
	}
}

// With a shell the text is the configured one, unchanged, and the values of the packet
// are in the environment.
func TestExternalShell(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(*situation)
		text string
		env  string // joined by blanks
	}{
		{"pair", func(s *situation) {
			s.one().ExternalOpen, s.one().ExternalClose = `echo "$SRC ${PORT_OFFSET}" > /tmp/x; $(id)`, "rm -f /tmp/x"
		}, `echo "$SRC ${PORT_OFFSET}" > /tmp/x; $(id)`,
			"CLIENT_TIMEOUT=0 DST=198.51.100.1 IP=192.0.2.7 PKT_SRC=192.0.2.7 PORT=22 PORT_OFFSET=61000 PROTO=tcp SRC=192.0.2.7 TIMEOUT=1700000031"},
		{"with a prefix", func(s *situation) {
			s.server.ExternalPrefix = "FWKNOP_"
			s.one().ExternalOpen, s.one().ExternalClose = "echo $FWKNOP_SRC | logger", "true"
		}, "echo $FWKNOP_SRC | logger", "FWKNOP_CLIENT_TIMEOUT=0 FWKNOP_DST=198.51.100.1 FWKNOP_IP=192.0.2.7 FWKNOP_PKT_SRC=192.0.2.7 FWKNOP_PORT=22 FWKNOP_PROTO=tcp " +
			"FWKNOP_SRC=192.0.2.7 FWKNOP_TIMEOUT=1700000031"},
		{"cycle", func(s *situation) {
			s.one().CycleOpen, s.one().CycleTimer = "echo $IP >> /tmp/x", 20*time.Second
			s.msg.Text = "203.0.113.9,tcp/22"
		}, "echo $IP >> /tmp/x",
			"CLIENT_TIMEOUT=0 DST=198.51.100.1 IP=203.0.113.9 PKT_SRC=192.0.2.7 PORT=22 PROTO=6 SRC=203.0.113.9 TIMEOUT=1700000021"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := plain()
			s.server.Shell = "/bin/dash"
			s.one().ExternalShell = true
			s.one().Vars = map[string]string{"PORT_OFFSET": "61000", "OPEN_PORTS": "tcp/22, udp/53", "not a name": "x"}
			c.set(s)
			d := s.decide(t)
			if d.Verdict != Allow || d.Grant.External == nil {
				t.Fatalf("%s %+v", show(d), d.Detail)
			}
			x := d.Grant.External
			if got := strings.Join(x.Open, "|"); got != "/bin/dash|-c|"+c.text {
				t.Errorf("open %q", got)
			}
			if got := strings.Join(x.Env, " "); got != c.env {
				t.Errorf("environment %q\nwant        %q", got, c.env)
			}
			checkLimits(t, s, d.Grant)
			for i := range x.Env { // another value than the grant's is refused
				g := d.Grant
				name, _, _ := strings.Cut(x.Env[i], "=")
				env := slices.Clone(x.Env)
				env[i] = name + "=$(id)"
				g.External = &enforce.External{Open: x.Open, Close: x.Close, Env: env, Timeout: x.Timeout}
				limits, err := ExternalLimits(s.one(), &s.server)
				if err != nil {
					t.Fatal(err)
				}
				l := enforce.Limits{Stanzas: []enforce.Allowance{{AnyPort: true, Stanza: 1, Source: anyone.Include, MaxLifetime: time.Hour, External: limits}}}
				if l.Check(g, s.now) == nil {
					t.Errorf("limits let %s pass", env[i])
				}
			}
		})
	}
}

// Shell syntax is found with the variables of the dialect in mind.
func TestExternalShellSyntax(t *testing.T) {
	for _, c := range []struct{ name, open, want string }{
		{"pair", "open $SRC $PORT $PROTO $REQUIRE_USERNAME", ""},
		{"pair", "open $DST", "EXTERNAL_CMD_OPEN $DST"},
		{"pair", "open > /dev/null", "EXTERNAL_CMD_OPEN >"},
		{"close", "close; exit", "EXTERNAL_CMD_CLOSE ;"},
		{"cycle", "open $IP $SRC $PKT_SRC $DST $PORT $PROTO $TIMEOUT $CLIENT_TIMEOUT", ""},
		{"cycle", "open $REQUIRE_USERNAME", "CMD_CYCLE_OPEN $REQUIRE_USERNAME"},
		{"shell", "open > /dev/null", ""},
		{"knock", "open > /dev/null", ""},
	} {
		st := conf.Stanza{Vars: map[string]string{"REQUIRE_USERNAME": "alice"}, ExternalOpen: "open", ExternalClose: "close"}
		switch c.name {
		case "close":
			st.ExternalClose = c.open
		case "cycle":
			st.CycleOpen = c.open
		case "shell":
			st.ExternalShell, st.ExternalOpen = true, c.open
		case "knock":
			st.Mode, st.ExternalOpen = conf.ModeShared, c.open
		default:
			st.ExternalOpen = c.open
		}
		keyword, syntax := ShellSyntax(&st, &conf.Server{})
		if got := strings.TrimSpace(keyword + " " + syntax); got != c.want {
			t.Errorf("%s %q: %q, want %q", c.name, c.open, got, c.want)
		}
	}
}

// A command in a message is not cut at the operators of a shell.
func TestCommandShellSyntax(t *testing.T) {
	for text, want := range map[string]string{
		"/bin/touch /tmp/x":      `spa.command "/bin/touch /tmp/x"`,
		"echo 'a > b'":           `spa.command "echo 'a > b'"`,
		"echo x > /tmp/x":        "spa.cmd_disabled",
		"a; b":                   "spa.cmd_disabled",
		"/usr/bin/id $HOME":      "spa.cmd_disabled",
		"/bin/rm -f /tmp/*.lock": "spa.cmd_disabled",
	} {
		for _, shell := range []bool{false, true} {
			s := plain()
			s.one().CmdExec, s.one().CmdShell = true, shell
			s.command(text)
			want := want
			if shell {
				want = fmt.Sprintf("spa.command %q", text)
			}
			if d := s.decide(t); show(d) != want {
				t.Errorf("%q, shell %v: %s, want %s", text, shell, show(d), want)
			}
		}
	}
}

func TestExternalCommandsKeepTheRules(t *testing.T) {
	for name, tt := range map[string]struct {
		set  func(*situation)
		want string
	}{
		"port not offered": {func(s *situation) { s.msg.Text = "192.0.2.7,tcp/9" }, "spa.port"},
		"command message":  {func(s *situation) { s.command("id") }, "spa.cmd_disabled"},
		"blacklisted":      {func(s *situation) { s.server.Blacklist = nets("203.0.113.0/24"); s.msg.Text = "203.0.113.9,tcp/22" }, "spa.source"},
		"nat":              {func(s *situation) { s.msg.Type, s.msg.NAT = spa.NATAccess, "10.0.0.5,22" }, "spa.nat"},
	} {
		s := plain()
		s.one().CycleOpen, s.one().CycleTimer = "open $SRC", time.Minute
		tt.set(s)
		if d := s.decide(t); string(d.Reason) != tt.want {
			t.Errorf("%s: %s", name, show(d))
		}
	}
}

func TestExternalCommandsAreCheckedAtLoad(t *testing.T) {
	for _, open := range []string{`o "half`, `o 'half`, `  `} {
		if _, err := newExternal(&conf.Stanza{ExternalOpen: open}, &conf.Server{}); err == nil {
			t.Errorf("%q is taken", open)
		}
	}
	if x, err := newExternal(&conf.Stanza{}, &conf.Server{}); x != nil || err != nil {
		t.Errorf("no commands: %v, %v", x, err)
	}
}

// The refusal of a command has the text that was refused, cut if it is long.
func TestRefusedCommandIsShown(t *testing.T) {
	long := strings.Repeat("é", maxShownCommand)
	for _, c := range []struct {
		name, text, regex, shown string
		enabled                  bool
	}{
		{"no commands", "id -u", "", "id -u", false},
		{"regular expression", "id -u", "^192.0.2.7,uptime$", "192.0.2.7,id -u", true},
		{"shell syntax", "a; b", "", "a; b", true},
		{"long", long, "", long[:maxShownCommand] + "…", false},
		{"cut within a character", "x" + long, "", "x" + long[:maxShownCommand-2] + "…", false},
	} {
		s := plain() // of 1.9, whose messages may be longer
		s.one().Dialect, s.msg.Perl19, s.msg.Version = conf.Perl19, true, "1.9.12"
		s.one().CmdExec = c.enabled
		if c.regex != "" {
			s.one().CmdRegex = regexp.MustCompile(c.regex)
		}
		s.command(c.text)
		if d := s.decide(t); d.Verdict != Deny || d.Detail.Got != c.shown {
			t.Errorf("%s: %s got %q, want %q", c.name, show(d), d.Detail.Got, c.shown)
		}
	}
}
