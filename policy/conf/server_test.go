package conf

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"
)

// TestPrecedence: argv > last -O > first -O > main > default.
func TestPrecedence(t *testing.T) {
	files := memFS{
		"fwknop.conf": "MAX_HOPS 1;\nKNOPWATCHD_CHECK_INTERVAL 1;\nIPT_EXEC_TRIES 1;\nTCPSERV_PORT 1;\n",
		"one":         "MAX_HOPS 2;\nKNOPWATCHD_CHECK_INTERVAL 2;\nIPT_EXEC_TRIES 2;\n",
		"two":         "MAX_HOPS 3;\nKNOPWATCHD_CHECK_INTERVAL 3;\n",
	}
	_, v, problems := LoadServer(Options{FS: files, Server: "fwknop.conf", Overrides: []string{"one", "two"}, Argv: map[string]string{"MAX_HOPS": "4"}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for _, tt := range []struct{ name, want, origin string }{
		{"MAX_HOPS", "4", "argv"},
		{"KNOPWATCHD_CHECK_INTERVAL", "3", "two:2"},
		{"IPT_EXEC_TRIES", "2", "one:3"},
		{"TCPSERV_PORT", "1", "fwknop.conf:4"},
		{"UDPSERV_PORT", "62201", "default"},
	} {
		val := v.lookup(tt.name)
		if val.Text != tt.want || val.Where() != tt.origin {
			t.Errorf("%s = %s from %s, want %s from %s", tt.name, val.Text, val.Where(), tt.want, tt.origin)
		}
	}
}

// TestOverrideSyntax: an override is read in the syntax of the main file.
func TestOverrideSyntax(t *testing.T) {
	o := Options{FS: memFS{"fwknop.conf": "", "fwknopd.conf": "", "over": "PCAP_INTF lo\n"}, Overrides: []string{"over"}}
	o.Server = "fwknop.conf"
	_, _, problems := LoadServer(o)
	wantProblems(t, problems, "over:1: PCAP_INTF: line does not end in a semicolon")
	o.Server = "fwknopd.conf"
	_, _, problems = LoadServer(o)
	wantProblems(t, problems)
}

func TestServerProblems(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"twice", "PCAP_INTF lo;\nPCAP_INTF lo;\n", []string{"m:2: PCAP_INTF: given twice, first in line 1"}},
		{"alias with another value", "ACCESS_CONF /a;\nACCESS_FILE /b;\n", []string{"m:2: ACCESS_FILE: is ACCESS_CONF of line 1, with another value"}},
		{"alias with the same value", "ACCESS_CONF /a;\nACCESS_FILE /a;\n", nil},
		{"repeated search texts", "FW_MSG_SEARCH A;\nFW_MSG_SEARCH B;\n", nil},
		{"no value", "PCAP_INTF\n", []string{"m:1: PCAP_INTF: no value"}},
		{"no value but a semicolon", "PCAP_INTF ;\n", []string{"m:1: PCAP_INTF: no value"}},
		{"flag without value", "ENABLE_IPT_SNAT;\n", []string{"m:1: ENABLE_IPT_SNAT: no value"}},
		{"wrong case", "pcap_intf lo;\n", []string{"m:1: pcap_intf: unknown keyword (did you mean PCAP_INTF?)"}},
		{"swapped letters", "MAX_SPA_PAKCET_AGE 3;\n", []string{"m:1: MAX_SPA_PAKCET_AGE: unknown keyword (did you mean MAX_SPA_PACKET_AGE?)"}},
		{"like nothing", "QQQQ 3;\n", []string{"m:1: QQQQ: unknown keyword"}},
		{"keyword of the other file", "OPEN_PORTS tcp/22;\n", []string{"m:1: OPEN_PORTS: unknown keyword here, it belongs into access.conf"}},
		{"include", "%include other.conf\n", []string{"m:1: %include: includes are for access.conf only"}},
		{"ageing off by a word", "ENABLE_SPA_PACKET_AGING yes please;\n", []string{`m:1: ENABLE_SPA_PACKET_AGING: "yes please" is neither Y nor N`}},
		{"a flag the old daemon took for N", "ENABLE_SPA_PACKET_AGING yes;\n", []string{`m:1: warning: ENABLE_SPA_PACKET_AGING: write Y or N: the old daemons read "yes" otherwise`}},
		{"word with a near one", "FIREWALL_TYPE nftabels;\n", []string{`m:1: FIREWALL_TYPE: "nftabels" is not one of auto, iptables, nftables, firewalld, ipfw, external_cmd (did you mean nftables?)`}},
		{"knock on ipfw", "AUTH_MODE KNOCK;\nFIREWALL_TYPE ipfw;\n", []string{"m:1: AUTH_MODE: KNOCK is not offered with FIREWALL_TYPE ipfw"}},
		{"open without close", "EXTERNAL_CMD_OPEN /bin/a;\n", []string{"m:1: EXTERNAL_CMD_CLOSE: is missing, EXTERNAL_CMD_OPEN needs it"}},
		{"close without open", "EXTERNAL_CMD_CLOSE /bin/a;\n", []string{"m:1: EXTERNAL_CMD_OPEN: is missing, EXTERNAL_CMD_CLOSE needs it"}},
		{"external commands without commands", "ENABLE_EXTERNAL_CMDS Y;\n", []string{"m:1: ENABLE_EXTERNAL_CMDS: is Y, but EXTERNAL_CMD_OPEN is not set"}},
		{"sets of ipfw", "IPFW_ACTIVE_SET_NUM 2;\n", []string{
			"m: notice: no effect here: IPFW_ACTIVE_SET_NUM", "IPFW_EXPIRE_SET_NUM: is the same set as IPFW_ACTIVE_SET_NUM"}},
		{"chain of somebody else", "IPT_FORWARD_ACCESS ACCEPT, src, filter, DOCKER-USER, 1, FWKNOP_FORWARD, 1;\n", nil},
		{"chain of nobody", "IPT_FORWARD_ACCESS ACCEPT, src, filter, NOBODY, 1, FWKNOP_FORWARD, 1;\n", []string{"m:1: IPT_FORWARD_ACCESS: the table filter has no chain NOBODY"}},
		{"facility of 2.6", "SYSLOG_FACILITY LOG_MAIL;\nVERBOSE 1;\n", []string{
			`m:1: SYSLOG_FACILITY: "LOG_MAIL" is not one of LOG_DAEMON, LOG_LOCAL0, LOG_LOCAL1, LOG_LOCAL2, LOG_LOCAL3, LOG_LOCAL4, LOG_LOCAL5, LOG_LOCAL6, LOG_LOCAL7`}},
		{"facility of 1.9", "SYSLOG_FACILITY LOG_MAIL;\nAUTH_MODE PCAP;\n", nil},
		{"one notice for all without effect", "IPT_EXEC_STYLE system;\nSYSLOG_DAEMON x;\n", []string{"m: notice: no effect here: IPT_EXEC_STYLE, SYSLOG_DAEMON"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, problems := LoadServer(Options{FS: memFS{"m": tt.text}, Server: "m", Host: fakeHost{}})
			wantProblems(t, problems, tt.want...)
		})
	}
}

func TestLenient(t *testing.T) {
	_, _, problems := LoadServer(Options{FS: memFS{"m": "PCAP_INTERFACE lo;\nMAX_HOPS x;\n"}, Server: "m", Lenient: true})
	wantProblems(t, problems,
		"m:1: warning: PCAP_INTERFACE: unknown keyword (did you mean PCAP_INTF?)",
		`m:2: MAX_HOPS: "x" is not a whole number`)
	_, _, a, problems := Load(Options{FS: memFS{"a": perl19("OPEN_PORTZ: x;")}, Access: "a", Lenient: true})
	wantProblems(t, problems, "a:4: warning: OPEN_PORTZ: unknown keyword (did you mean OPEN_PORTS?)")
	if len(a.Stanzas) != 1 {
		t.Error("the stanza was dropped")
	}
}

func TestMissingServerFile(t *testing.T) {
	_, _, problems := LoadServer(Options{FS: memFS{}, Server: "m"})
	wantProblems(t, problems, "m: cannot read m: file does not exist")
	s, v, problems := LoadServer(Options{FS: memFS{}})
	if len(problems) > 0 || v.Dialect != Perl19 || s.MaxAge.Seconds() != 120 {
		t.Errorf("no file at all means the manual's defaults: %v, %v, %v", v.Dialect, s.MaxAge, problems)
	}
}

func TestExpand(t *testing.T) {
	for _, tt := range []struct{ name, text, keyword, want string }{
		{"default of a default", "", "FWKNOP_ERR_DIR", "/var/log/fwknop/errs"},
		{"default of a value", "FWKNOP_DIR /x;\n", "DIGEST_FILE", "/x/digest.cache"},
		{"value of a value, forwards", "DIGEST_FILE $FWKNOP_ERR_DIR/d;\nFWKNOP_ERR_DIR $FWKNOP_DIR/e;\nFWKNOP_DIR /x;\n", "DIGEST_FILE", "/x/e/d"},
		{"two in one", "DIGEST_FILE $FWKNOP_DIR$FWKNOP_CONF_DIR/d;\n", "DIGEST_FILE", "/var/log/fwknop/etc/fwknop/d"},
		{"a dollar alone", "EXT_CMD_PREFIX a$;\n", "EXT_CMD_PREFIX", "a$"},
		{"commands keep theirs", "EXTERNAL_CMD_OPEN /x $SRC;\nEXTERNAL_CMD_CLOSE /y $NOBODY;\n", "EXTERNAL_CMD_OPEN", "/x $SRC"},
		{"an alias", "ACCESS_CONF $GPG_HOME_DIR/a;\n", "ACCESS_CONF", "/root/.gnupg/a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, v, problems := LoadServer(Options{FS: memFS{"m": tt.text}, Server: "m"})
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			if got := v.lookup(tt.keyword).String(); got != tt.want {
				t.Errorf("%s = %q, want %q", tt.keyword, got, tt.want)
			}
		})
	}
}

func TestExpandProblems(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"unknown", "FWKNOP_ERR_DIR $NO_SUCH_VAR/errs;\n", "m:1: FWKNOP_ERR_DIR: the variable $NO_SUCH_VAR is not defined"},
		{"misspelt", "FWKNOP_ERR_DIR $FWKNOP_DRI/errs;\n", "m:1: FWKNOP_ERR_DIR: the variable $FWKNOP_DRI is not defined (did you mean $FWKNOP_DIR?)"},
		{"in braces", "DIGEST_FILE ${FWKNOP_DIR}/digest;\n", "m:1: DIGEST_FILE: variables are written without braces: ${FWKNOP_DIR} is none (did you mean $FWKNOP_DIR?)"},
		{"itself", "FWKNOP_DIR $FWKNOP_DIR/x;\n", "m:1: FWKNOP_DIR: refers to itself: FWKNOP_DIR -> FWKNOP_DIR"},
		{"ring", "P0F_FILE /x;\nFWKNOP_RUN_DIR $FWKNOP_LIB_DIR/a;\nFWKNOP_LIB_DIR $FWKNOP_DIR/b;\nFWKNOP_DIR $FWKNOP_RUN_DIR/c;\n",
			"m:2: FWKNOP_RUN_DIR: refers to itself: FWKNOP_RUN_DIR -> FWKNOP_LIB_DIR -> FWKNOP_DIR -> FWKNOP_RUN_DIR"},
		{"ring through a default", "FWKNOP_DIR $FWKNOP_ERR_DIR/x;\n", "m:1: FWKNOP_DIR: refers to itself: FWKNOP_DIR -> FWKNOP_ERR_DIR -> FWKNOP_DIR"},
		{"a command", "DIGEST_FILE $EXTERNAL_CMD_OPEN;\nEXTERNAL_CMD_OPEN /a;\nEXTERNAL_CMD_CLOSE /b;\n", "m:1: DIGEST_FILE: the variable $EXTERNAL_CMD_OPEN is not for use in other values"},
		{"a made variable", "HOSTNAME FWKNOP_DIR;\nDIGEST_FILE $$HOSTNAME;\n", "m:2: DIGEST_FILE: a $ before a variable would make another variable"},
		{"too long", fmt.Sprintf("HOSTNAME %0800d;\nPCAP_FILTER $HOSTNAME$HOSTNAME$HOSTNAME$HOSTNAME$HOSTNAME$HOSTNAME;\n", 0), "m:2: PCAP_FILTER: longer than 4096 bytes after expansion"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, problems := LoadServer(Options{FS: memFS{"m": tt.text}, Server: "m"})
			wantProblems(t, problems, tt.want)
		})
	}
}

// TestServerTypes: the fields whose meaning is more than one keyword's value.
func TestServerTypes(t *testing.T) {
	s, _, _, problems := loadText("INGEST KNOCK, NFLOG;\nPCAP_FILTER NONE;\nFW_SEARCH_ALL N;\nFW_MSG_SEARCH A;\nFW_MSG_SEARCH B;\n"+
		"ENABLE_EXT_CMD_PREFIX Y;\nDIGEST_TYPE SHA256,MD5;\n", perl19())
	if problems.Failed() {
		t.Fatal(problems)
	}
	if got, want := fmt.Sprintf("%v %q %v %q %v %q", s.AuthModes, s.PcapFilter, s.FWMsgSearch, s.ExternalPrefix, s.DigestTypes, s.P0fFile), `[KNOCK NFLOG] "" [A B] "FWKNOP_" [sha256 md5] ""`; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	s, _, _, _ = loadText("", perl19())
	if got, want := fmt.Sprintf("%v %q %v %q %v", s.AuthModes, s.PcapFilter, s.FWMsgSearch, s.ExternalPrefix, s.DigestTypes), `[PCAP] "udp port 62201" [] "" []`; got != want {
		t.Errorf("defaults %q, want %q", got, want)
	}
}

// TestDerivedFields: fields that depend on more than the value of one keyword.
func TestDerivedFields(t *testing.T) {
	load := func(name, text string) *Server {
		t.Helper()
		s, _, problems := LoadServer(Options{FS: memFS{name: text}, Server: name})
		if problems.Failed() {
			t.Fatal(problems)
		}
		return s
	}
	const perl, c = "fwknop.conf", "fwknopd.conf"
	for _, tt := range []struct {
		what, file, text string
		got              func(*Server) any
		want             any
	}{
		{"INGEST replaces AUTH_MODE", perl, "INGEST UDP, KNOCK;\nAUTH_MODE PCAP;\n", func(s *Server) any { return s.AuthModes }, []string{"UDP", "KNOCK"}},
		{"a default that counts only if set", perl, "", func(s *Server) any { return s.ExitAtIntfDown }, false},
		{"the same set", perl, "EXIT_AT_INTF_DOWN Y;\n", func(s *Server) any { return s.ExitAtIntfDown }, true},
		{"flush at exit unset in 1.9", perl, "", func(s *Server) any { return [2]bool{s.FlushAtExit, s.KeepAtExit} }, [2]bool{false, false}},
		{"flush at exit unset in 2.6", c, "", func(s *Server) any { return [2]bool{s.FlushAtExit, s.KeepAtExit} }, [2]bool{true, false}},
		{"flush at exit N", c, "FLUSH_IPT_AT_EXIT N\n", func(s *Server) any { return [2]bool{s.FlushAtExit, s.KeepAtExit} }, [2]bool{false, true}},
		{"rules check unset", c, "", func(s *Server) any { return s.CheckInterval }, 5 * time.Second},
		{"rules check off", c, "RULES_CHECK_THRESHOLD 0\n", func(s *Server) any { return s.CheckInterval }, time.Duration(0)},
		{"rules check too often", c, "RULES_CHECK_THRESHOLD 3\n", func(s *Server) any { return s.CheckInterval }, time.Second},
		{"rules check", c, "RULES_CHECK_THRESHOLD 40\n", func(s *Server) any { return s.CheckInterval }, 4 * time.Second},
		{"state of 1.9", perl, "", func(s *Server) any { return s.StateDir }, "/var/lib/fwknop"},
		{"state of 2.6", c, "", func(s *Server) any { return s.StateDir }, "/var/lib/fwknop"},
		{"state of 2.6 with the run directory of all", c, "FWKNOP_RUN_DIR /run/fwknop/\n", func(s *Server) any { return s.StateDir }, "/var/lib/fwknop"},
		{"state of 2.6 with another run directory", c, "FWKNOP_RUN_DIR /run/x\n", func(s *Server) any { return s.StateDir }, "/run/x"},
		{"state of 2.6, set", c, "FWKNOP_LIB_DIR /lib/x\n", func(s *Server) any { return s.StateDir }, "/lib/x"},
		{"forwarding of 1.9", perl, "", func(s *Server) any { return s.ProcForward }, true},
		{"forwarding of 2.6", c, "", func(s *Server) any { return s.ProcForward }, false},
		{"forwarding of 2.6, set", c, "ENABLE_PROC_IP_FORWARD Y\n", func(s *Server) any { return s.ProcForward }, true},
		{"a capture read once, 2.6", c, "PCAP_FILE /x\n", func(s *Server) any { return s.Aging }, false},
		{"a capture read once, 1.9", perl, "PCAP_FILE /x;\n", func(s *Server) any { return s.Aging }, true},
		{"bare ACCESS_CONF", perl, "FWKNOP_CONF_DIR /c;\nACCESS_CONF a.conf;\n", func(s *Server) any { return s.AccessFile }, "/c/a.conf"},
		{"a word in other letters", perl, "SYSLOG_FACILITY log_local3;\n", func(s *Server) any { return s.SyslogFacility }, "LOG_LOCAL3"},
		{"ports", perl, "CONNTRACK_ESTAB_PORTS 22, 443;\n", func(s *Server) any { return s.ConntrackPorts }, []uint16{22, 443}},
		{"an empty value with a repetition", perl, "FW_SEARCH_ALL N;\nFW_MSG_SEARCH __NONE__;\nFW_MSG_SEARCH DROP;\n", func(s *Server) any { return s.FWMsgSearch }, []string{"DROP"}},
		{"prefix off", perl, "EXT_CMD_PREFIX X_;\n", func(s *Server) any { return s.ExternalPrefix }, ""},
	} {
		if got := tt.got(load(tt.file, tt.text)); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.what, got, tt.want)
		}
	}
}

// TestChanged: what needs a restart is named, in the order of the table.
func TestChanged(t *testing.T) {
	_, before, _ := LoadServer(Options{FS: memFS{"m": "MAX_HOPS 3;\n"}, Server: "m"})
	_, after, _ := LoadServer(Options{FS: memFS{"m": "iptablesCmd /sbin/x;\nFIREWALL_TYPE nftables;\nMAX_HOPS 4;\nWORKER_USER fwknopd;\n"}, Server: "m"})
	if got := after.Changed(before); !slices.Equal(got, []string{"FIREWALL_TYPE", "iptablesCmd"}) {
		t.Errorf("changed: %v", got)
	}
}

func TestUnfed(t *testing.T) {
	s := &Server{AuthModes: []string{"PCAP", "UDP"}}
	if got, want := s.Unfed(ModeShared), "AUTH_MODE PCAP, UDP reads no knocks: the stanza never grants anything; KNOCK, JOURNAL, KMSG, NFLOG, KAFKA would"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if !s.Feeds(ModeSPA) || s.Feeds(ModeEncrypted) || s.Unfed(ModeSPA) != "" {
		t.Error("PCAP is for SPA alone")
	}
}
