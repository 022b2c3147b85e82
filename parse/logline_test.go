package parse

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// logRef is when the logs of these tests are read: after the months in them.
var logRef = time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC)

// synRecord is what a rule with --log-prefix "DROP " makes of a SYN.
const synRecord = "DROP IN=eth0 OUT= MAC=33:10:a9:e2:3a:0e:75:87:8f:c8:66:d3:08:00 SRC=192.0.2.7 DST=198.51.100.10 " +
	"LEN=60 TOS=0x00 PREC=0x00 TTL=57 ID=33561 DF PROTO=TCP SPT=47594 DPT=22 WINDOW=5840 RES=0x00 SYN URGP=0 " +
	"OPT (020405B40402080A001046E40000000001030300) "

// dialects has one row for each way in which loggers dress a record.
var dialects = []struct {
	name   string
	head   string // before synRecord
	tail   string // after it
	time   string // RFC 3339, empty for none
	origin Origin
}{
	{"RFC 3164", "Jul  3 04:05:06 gate kernel: ", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"RFC 3164, no blank behind the tag", "Jul  3 04:05:06 gate kernel:", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"RFC 3164, kernel time", "Jul  3 04:05:06 gate kernel: [ 1234.567890] ", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"RFC 3164, kernel time and task", "Jul  3 04:05:06 gate kernel: [ 1234.567890][  T123] ", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"RFC 3164, kernel time and CPU", "Jul  3 04:05:06 gate kernel: [ 1234.567890] [C1] ", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"RFC 3164, host is an address", "Jul 13 04:05:06 192.0.2.1 kernel: ", "", "2026-07-13T04:05:06Z", OriginKernel},
	{"RFC 3164, host is IPv6", "Jul 13 04:05:06 2001:db8::1 kernel: ", "", "2026-07-13T04:05:06Z", OriginKernel},
	{"RFC 3164, host like a facility", "Jul 13 04:05:06 example.info kernel: ", "", "2026-07-13T04:05:06Z", OriginKernel},
	{"RFC 3164, no host", "Jul 13 04:05:06 kernel: ", "", "2026-07-13T04:05:06Z", OriginKernel},
	{"RFC 3164, last year", "Dec 31 23:59:59 gate kernel: ", "", "2025-12-31T23:59:59Z", OriginKernel},
	{"RFC 3164, year before the clock", "Jul  3 2024 04:05:06 gate kernel: ", "", "2024-07-03T04:05:06Z", OriginKernel},
	{"RFC 3164, year in front", "2024 Jul  3 04:05:06 gate kernel: ", "", "2024-07-03T04:05:06Z", OriginKernel},
	{"RFC 3164, priority of the kernel", "<4>Jul  3 04:05:06 gate kernel: ", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"RFC 3164, priority of a user", "<13>Jul  3 04:05:06 gate kernel: ", "", "2026-07-03T04:05:06Z", OriginUnknown},
	{"rsyslog ISO", "2026-07-03T04:05:06.123456+02:00 gate kernel: [ 1234.567890] ", "", "2026-07-03T02:05:06.123456Z", OriginKernel},
	{"syslog-ng ISO", "2026-07-03T04:05:06-03:30 gate kernel: ", "", "2026-07-03T07:35:06Z", OriginKernel},
	{"ISO, Z", "2026-07-03T04:05:06Z gate kernel: ", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"ISO, blank, no zone", "2026-07-03 04:05:06 gate kernel: ", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"RFC 5424", "<4>1 2026-07-03T04:05:06.123456+00:00 gate kernel - - -  ", "", "2026-07-03T04:05:06.123456Z", OriginKernel},
	{"RFC 5424, structured data", `<4>1 2026-07-03T04:05:06Z gate kernel - - [a b="]\"" c="d"][e] ` + "\ufeff", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"RFC 5424, no time", "<4>1 - gate kernel - - - ", "", "", OriginKernel},
	{"RFC 5424, no priority", "1 2026-07-03T04:05:06Z gate kernel - - - ", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"RFC 5424, a program", "<4>1 2026-07-03T04:05:06Z gate myapp - - - ", "", "2026-07-03T04:05:06Z", OriginUnknown},
	{"RFC 5424, a user's kernel", "<12>1 2026-07-03T04:05:06Z gate kernel - - - ", "", "2026-07-03T04:05:06Z", OriginUnknown},
	{"journalctl short", "Jul 03 04:05:06 gate kernel: ", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"journalctl short-iso", "2026-07-03T04:05:06+0200 gate kernel: ", "", "2026-07-03T02:05:06Z", OriginKernel},
	{"journalctl short-iso-precise", "2026-07-03T04:05:06.123456+0000 gate kernel: ", "", "2026-07-03T04:05:06.123456Z", OriginKernel},
	{"journalctl short-precise", "Jul 03 04:05:06.123456 gate kernel: ", "", "2026-07-03T04:05:06.123456Z", OriginKernel},
	{"journalctl short-monotonic", "[ 1234.567890] gate kernel: ", "", "1970-01-01T00:20:34.56789Z", OriginKernel},
	{"journalctl short-monotonic, a program", "[ 1234.567890] gate myapp[77]: ", "", "1970-01-01T00:20:34.56789Z", OriginUnknown},
	{"journalctl short-delta", "[ 1234.567890 <    0.000123 >] gate kernel: ", "", "1970-01-01T00:20:34.56789Z", OriginKernel},
	{"journalctl short-unix", "1783051506.123456 gate kernel: ", "", "2026-07-03T04:05:06.123456Z", OriginKernel},
	{"journalctl short-full", "Fri 2026-07-03 04:05:06 UTC gate kernel: ", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"journalctl short-full, offset", "Fri 2026-07-03 04:05:06 +0530 gate kernel: ", "", "2026-07-02T22:35:06Z", OriginKernel},
	{"journalctl short-full, other zone", "Fri 2026-07-03 04:05:06 CEST gate kernel: ", "", "2026-07-03T02:05:06Z", OriginKernel},
	{"journalctl short-full, zone of several countries", "Fri 2026-07-03 04:05:06 CST gate kernel: ", "", "", OriginKernel},
	{"journalctl short-full, unknown zone", "Fri 2026-07-03 04:05:06 XYZ gate kernel: ", "", "", OriginKernel},
	{"journalctl with-unit, microseconds", "Fri 2026-07-03 04:05:06.123456 NZST gate kernel: ", "", "2026-07-02T16:05:06.123456Z", OriginKernel},
	{"date", "Fri Jul  3 04:05:06 EDT 2026 gate kernel: ", "", "2026-07-03T08:05:06Z", OriginKernel},
	{"date, in French", "ven. 03 juil. 2026 04:05:06 CEST gate kernel: ", "", "2026-07-03T02:05:06Z", OriginKernel},
	{"date, twelve hours", "Fri Jul  3 04:05:06 PM UTC 2026 gate kernel: ", "", "2026-07-03T16:05:06Z", OriginKernel},
	{"date, after midnight", "Fri Jul  3 12:05:06 AM UTC 2026 gate kernel: ", "", "2026-07-03T00:05:06Z", OriginKernel},
	{"RFC 3164, CEST behind the clock", "Jul 13 04:05:06 CEST gate kernel: ", "", "2026-07-13T02:05:06Z", OriginKernel},
	{"RFC 3164, host like a zone", "Jul 13 04:05:06 CEST kernel: ", "", "2026-07-13T04:05:06Z", OriginKernel},
	{"journalctl with-unit", "Fri 2026-07-03 04:05:06 UTC gate kernel[n/a]: ", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"journalctl cat", "", "", "", OriginUnknown},
	{"journalctl json", `{"__REALTIME_TIMESTAMP":"1783051506123456","_TRANSPORT":"kernel","MESSAGE":"`, `"}`, "2026-07-03T04:05:06.123456Z", OriginKernel},
	{"journalctl json, a program", `{"__REALTIME_TIMESTAMP":"1783051506123456","_TRANSPORT":"syslog","SYSLOG_IDENTIFIER":"kernel","MESSAGE":"`, `"}`, "2026-07-03T04:05:06.123456Z", OriginUnknown},
	{"dmesg", "[ 1234.567890] ", "", "1970-01-01T00:20:34.56789Z", OriginKernel},
	{"dmesg, long up", "[12345678.901234] ", "", "1970-05-23T21:21:18.901234Z", OriginKernel},
	{"dmesg -d", "[ 1234.567890 <    0.000123>] ", "", "1970-01-01T00:20:34.56789Z", OriginKernel},
	{"dmesg -t delta", "[<    0.000123>] ", "", "", OriginKernel},
	{"dmesg -e", "[  +0.000123] ", "", "", OriginKernel},
	{"dmesg -e, first of a minute", "[Jul 3 04:05] ", "", "", OriginKernel},
	{"dmesg -T", "[Fri Jul  3 04:05:06 2026] ", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"dmesg --time-format iso", "2026-07-03T04:05:06,123456+00:00 ", "", "2026-07-03T04:05:06.123456Z", OriginKernel},
	{"dmesg -x", "kern  :warn  : [ 1234.567890] ", "", "1970-01-01T00:20:34.56789Z", OriginKernel},
	{"dmesg -x, a user", "user  :notice: [ 1234.567890] ", "", "1970-01-01T00:20:34.56789Z", OriginUnknown},
	{"dmesg -r", "<4>[ 1234.567890] ", "", "1970-01-01T00:20:34.56789Z", OriginKernel},
	{"dmesg -r, a user", "<12>[ 1234.567890] ", "", "1970-01-01T00:20:34.56789Z", OriginUnknown},
	{"/proc/kmsg without time", "<4>", "", "", OriginKernel},
	{"/dev/kmsg", "4,1234,1234567890,-;", "", "1970-01-01T00:20:34.56789Z", OriginKernel},
	{"/dev/kmsg, a user", "12,1234,1234567890,-;", "", "1970-01-01T00:20:34.56789Z", OriginUnknown},
	{"BusyBox syslogd", "Jul  3 04:05:06 gate kern.warn kernel: [ 1234.567890] ", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"BusyBox syslogd, a user", "Jul  3 04:05:06 gate user.notice kernel: ", "", "2026-07-03T04:05:06Z", OriginUnknown},
	{"OpenWrt logread", "Fri Jul  3 04:05:06 2026 kern.warn kernel: [ 1234.567890] ", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"metalog", "Jul  3 04:05:06 [kernel] ", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"metalog, a program", "Jul  3 04:05:06 [myapp] ", "", "2026-07-03T04:05:06Z", OriginUnknown},
	{"ulogd LOGEMU", "Jul  3 04:05:06 gate ", "", "2026-07-03T04:05:06Z", OriginUnknown},
	{"ulogd through syslog", "Jul  3 04:05:06 gate ulogd[77]: ", "", "2026-07-03T04:05:06Z", OriginUnknown},
	{"kernel[0] tag", "Jul  3 04:05:06 gate kernel[0]: ", "", "2026-07-03T04:05:06Z", OriginUnknown},
	{"Docker", `{"log":"Jul  3 04:05:06 gate kernel: `, `\n","stream":"stdout","time":"2026-07-03T04:05:07.5Z"}`, "2026-07-03T04:05:06Z", OriginKernel},
	{"Docker, no stamp within", `{"log":"`, `\n","stream":"stdout","time":"2026-07-03T04:05:07.5Z"}`, "2026-07-03T04:05:07.5Z", OriginUnknown},
	{"RFC 3164, host is an address in brackets", "Jul 13 04:05:06 [2001:db8::1] kernel: ", "", "2026-07-13T04:05:06Z", OriginKernel},
	{"RFC 3164, host with dots", "Jul 13 04:05:06 gate.example.org kernel: ", "", "2026-07-13T04:05:06Z", OriginKernel},
	{"RFC 3164, host with a zone", "Jul 13 04:05:06 fe80::1%eth0 kernel: ", "", "2026-07-13T04:05:06Z", OriginKernel},
	{"RFC 3164, year behind the clock", "Jul 13 04:05:06 2024 gate kernel: ", "", "2024-07-13T04:05:06Z", OriginKernel},
	{"RFC 3164, zone behind the clock", "Jul 13 04:05:06 UTC gate.example.org kernel: ", "", "2026-07-13T04:05:06Z", OriginKernel},
	{"RFC 3164, offset behind the clock", "Jul 13 04:05:06 +0200 gate kernel: ", "", "2026-07-13T02:05:06Z", OriginKernel},
	{"RFC 3164, tabs", "Jul  3 04:05:06\tgate\tkernel:\t", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"RFC 3164, a program and tabs", "Jul  3 04:05:06\tgate\tapp:\tkernel: ", "", "2026-07-03T04:05:06Z", OriginUnknown},
	{"tabs, no colon", "2026-07-03T04:05:06Z\tgate\tkernel\t", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"tabs, no colon, RFC 3164", "Jul  3 04:05:06\tgate\tkernel\t[ 1234.567890] ", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"tabs, no colon, a zone", "2026-07-03 04:05:06 CEST\tgate\tkernel\t", "", "2026-07-03T02:05:06Z", OriginKernel},
	{"tabs, facility and level", "2026-07-03T04:05:06Z\tgate\tkern\twarning\tkernel:\t", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"tabs, selector", "2026-07-03T04:05:06Z\tgate\tkern.warn\tkernel\t", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"ISO, offset behind a blank", "2026-07-03 04:05:06 +0200 gate kernel: ", "", "2026-07-03T02:05:06Z", OriginKernel},
	{"RFC 5424 without priority", "2026-07-03T04:05:06.693976+00:00 gate kernel - - - [1154069.463446] ", "", "2026-07-03T04:05:06.693976Z", OriginKernel},
	{"RFC 5424 without priority, structured data", `2026-07-03T04:05:06Z 2001:db8::1 kernel - - [a b="c"] `, "", "2026-07-03T04:05:06Z", OriginKernel},
	{"RFC 5424 without priority, a program", "2026-07-03T04:05:06Z gate my.app 77 - - ", "", "2026-07-03T04:05:06Z", OriginUnknown},
	{"RFC 5424, priority and no version", "<4>2026-07-03T04:05:06Z gate kernel - - - ", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"socklog", "2026-07-03T04:05:06.12345 kern.warn: [ 1234.567890] ", "", "2026-07-03T04:05:06.12345Z", OriginKernel},
	{"svlogd", "2026-07-03_04:05:06.12345 kern.warn: [ 1234.567890] ", "", "2026-07-03T04:05:06.12345Z", OriginKernel},
	{"multilog", "@400000006a4734fc075aef40 kern.warn: kernel: ", "", "2026-07-03T04:05:06.1234Z", OriginKernel},
	{"journalctl short-delta, first", "[ 1234.567890                ] gate kernel: ", "", "1970-01-01T00:20:34.56789Z", OriginKernel},
	{"journalctl short-delta, a program", "[ 1234.567890                ] gate app[77]: ", "", "1970-01-01T00:20:34.56789Z", OriginUnknown},
	{"journalctl in colour", "Jul 03 04:05:06 gate kernel: \x1b[0;1;38;5;185m", "\x1b[0m", "2026-07-03T04:05:06Z", OriginKernel},
	{"dmesg --color", "\x1b[32m[ 1234.067890] \x1b[0m\x1b[33m", "\x1b[0m", "1970-01-01T00:20:34.06789Z", OriginKernel},
	{"dmesg -T --color", "\x1b[32m[Fri Jul  3 04:05:06 2026] \x1b[0m", "\x1b[0m", "2026-07-03T04:05:06Z", OriginKernel},
	{"colour as cat -v shows it", "^[[32m[ 1234.067890] ^[[0m", "", "1970-01-01T00:20:34.06789Z", OriginKernel},
	{"grep -H", "kern.log.1:Jul  3 04:05:06 gate kernel: [ 1.0] ", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"grep -n", "12:Jul  3 04:05:06 gate kernel: ", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"grep -Hn", "/var/log/kern.log-20260703:12:Jul  3 04:05:06 gate kernel: ", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"grep -A", "kern.log-12-Jul  3 04:05:06 gate kernel: ", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"grep -T", "kern.log:\tJul  3 04:05:06 gate kernel: ", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"grep, colon and points in the name", "./a:b.c/host-1.2026-07-03.log:Jul  3 04:05:06 gate kernel: ", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"grep, blanks in the path", "/srv/old logs/kern 1.log:Jul  3 04:05:06 gate kernel: ", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"grep, blanks in the name", "old kern.log:Jul  3 04:05:06 gate kernel: ", "", "2026-07-03T04:05:06Z", OriginUnknown},
	{"grep -H of a program", "kern.log.1:Jul  3 04:05:06 gate myapp: kernel: ", "", "2026-07-03T04:05:06Z", OriginUnknown},
	{"grep -H of dmesg", "dmesg.0:[ 1234.567890] ", "", "1970-01-01T00:20:34.56789Z", OriginKernel},
	{"grep -H of dmesg -T", "dmesg.0:[Fri Jul  3 04:05:06 2026] ", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"grep -H of journalctl in French", "j.log:juil. 03 04:05:06 gate kernel: ", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"grep -H of ISO", "kern.log:2026-07-03T04:05:06.5+02:00 gate kernel: ", "", "2026-07-03T02:05:06.5Z", OriginKernel},
	{"grep --color", "\x1b[35m\x1b[Kkern.log\x1b[m\x1b[K\x1b[36m\x1b[K:\x1b[m\x1b[KJul  3 04:05:06 gate kernel: ", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"docker compose logs", "syslog-1  | Jul  3 04:05:06 gate kernel: ", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"byte order mark", "\ufeffJul  3 04:05:06 gate kernel: ", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"blank in front", " Jul  3 04:05:06 gate kernel: ", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"slashes", "2026/07/03 04:05:06 gate kernel: ", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"slashes, month first", "07/13/2026 04:05:06 gate kernel: ", "", "2026-07-13T04:05:06Z", OriginKernel},
	{"slashes, day first", "13/07/2026 04:05:06 gate kernel: ", "", "2026-07-13T04:05:06Z", OriginKernel},
	{"slashes, either order means the same", "07/07/2026 04:05:06 gate kernel: ", "", "2026-07-07T04:05:06Z", OriginKernel},
	{"slashes, month or day first", "03/07/2026 04:05:06 gate kernel: ", "", "", OriginKernel},
	{"slashes, no month", "13/14/2026 04:05:06 gate kernel: ", "", "", OriginKernel},
	{"slashes, no such day", "02/30/2026 04:05:06 gate kernel: ", "", "", OriginKernel},
	{"slashes, twelve hours", "07/13/2026 04:05:06 PM gate kernel: ", "", "2026-07-13T16:05:06Z", OriginKernel},
	{"hyphens, day first", "13-07-2026 04:05:06 gate kernel: ", "", "2026-07-13T04:05:06Z", OriginKernel},
	{"points, day first", "03.07.2026 04:05:06 gate kernel: ", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"ISO without separators", "20260703T040506Z gate kernel: ", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"RFC 5322", "Fri, 03 Jul 2026 04:05:06 +0200 gate kernel: ", "", "2026-07-03T02:05:06Z", OriginKernel},
	{"common log format", "[03/Jul/2026:04:05:06 +0200] gate kernel: ", "", "2026-07-03T02:05:06Z", OriginKernel},
	{"Kibana", "Jul 3, 2026 @ 04:05:06.123 gate kernel: ", "", "2026-07-03T04:05:06.123Z", OriginKernel},
	{"seconds", "1783051506 gate kernel: ", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"milliseconds", "1783051506123 gate kernel: ", "", "2026-07-03T04:05:06.123Z", OriginKernel},
	{"Proxmox VE", "101 1 tap101i0-IN 03/Jul/2026:04:05:06 +0200 ", "", "2026-07-03T02:05:06Z", OriginKernel},
	{"a stamp that is not understood", "3-VII-26 4h05 gate kernel: ", "", "", OriginKernel},
	{"a fraction behind a stamp that is not understood", "Fr,ri 2026-07-03 04:05:06.5 +00 gate kernel: ", "", "", OriginKernel},
	{"a program behind a stamp that is not understood", "3-VII-26 4h05 gate myapp: kernel: ", "", "", OriginUnknown},
	{"dmesg -e in German, first of a minute", "[Mär 3 04:05] ", "", "", OriginKernel},
	{"OpenWrt logread -t", "Fri Jul  3 04:05:06 2026 [1783051506.123] kern.warn kernel: [ 1234.567890] ", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"a program with the kernel's time", "Fri Jul  3 04:05:06 2026 [1783051506.123] daemon.warn myapp: kernel: ", "", "2026-07-03T04:05:06Z", OriginUnknown},
	{"container runtime", "2026-07-03T04:05:07.5Z stdout F Jul  3 04:05:06 gate kernel: [ 1.5] ", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"container runtime, ring buffer", "2026-07-03T04:05:07.5Z stdout F <4>[ 1.5] ", "", "2026-07-03T04:05:07.5Z", OriginKernel},
	{"container runtime, a program", "2026-07-03T04:05:07.5Z stderr P Jul  3 04:05:06 gate myapp: kernel: ", "", "2026-07-03T04:05:06Z", OriginUnknown},
	{"docker logs -t", "2026-07-03T04:05:07.5Z Jul  3 04:05:06 gate kernel: [ 1.5] ", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"docker logs -t, priority", "2026-07-03T04:05:07.5Z <4>Jul  3 04:05:06 gate kernel: ", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"docker logs -t, a program", "2026-07-03T04:05:07.5Z Jul  3 04:05:06 gate myapp: kernel: ", "", "2026-07-03T04:05:06Z", OriginUnknown},
	{"ts", "Jul 03 04:05:07 2026-07-03T04:05:06+00:00 gate kernel: ", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"ts in brackets", "[2026-07-03 04:05:07] Jul  3 04:05:06 gate kernel: [ 1.5] ", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"brackets", "[2026-07-03 04:05:06] gate kernel: ", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"brackets, RFC 3164", "[Jul  3 04:05:06] gate kernel: ", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"brackets, seconds", "[1783051506.5] gate kernel: ", "", "2026-07-03T04:05:06.5Z", OriginKernel},
	{"syslog over TCP, octet count", "273 <4>1 2026-07-03T04:05:06Z gate kernel - - - [ 1.5] ", "", "2026-07-03T04:05:06Z", OriginKernel},
	{"syslog over TCP, a user", "273 <12>1 2026-07-03T04:05:06Z gate kernel - - - ", "", "2026-07-03T04:05:06Z", OriginUnknown},
	{"Splunk's collector", `{"time":1783051507.5,"host":"gate","event":"Jul  3 04:05:06 gate kernel: `, `"}`, "2026-07-03T04:05:06Z", OriginKernel},
	{"brackets, nothing else", "[2026-07-03 04:05:06] ", "", "2026-07-03T04:05:06Z", OriginUnknown},
	{"dmesg -e, two digits", "[Jul13 04:05] ", "", "", OriginKernel},
	{"container runtime, bare", "2026-07-03T04:05:07.5Z stdout F ", "", "2026-07-03T04:05:07.5Z", OriginUnknown},
	{"carriage return", "Jul  3 04:05:06 gate kernel: ", "\r\n", "2026-07-03T04:05:06Z", OriginKernel},
	{"no stamp at all", "gate kernel: ", "", "", OriginUnknown},
}

func TestLogLineDialects(t *testing.T) {
	for _, d := range dialects {
		t.Run(d.name, func(t *testing.T) {
			ev := parseLine(t, d.head+synRecord+d.tail)
			var want time.Time
			if d.time != "" {
				want = mustTime(t, d.time)
			}
			if !ev.Time.Equal(want) {
				t.Errorf("time %v, want %v", ev.Time, want)
			}
			if ev.Origin != d.origin {
				t.Errorf("origin %d, want %d", ev.Origin, d.origin)
			}
			tagged := d.origin == OriginUnknown && strings.HasSuffix(string(ev.Prefix), ": DROP ") // a tag without a process stays
			if d.name != "no stamp at all" && string(ev.Prefix) != "DROP " && !tagged {
				t.Errorf("prefix %q", ev.Prefix)
			}
			if string(ev.In) != "eth0" || ev.Src != netip.MustParseAddrPort("192.0.2.7:47594") || ev.Window != 5840 {
				t.Errorf("event %+v", ev)
			}
		})
	}
}

// TestLogLineForgeries: a user can make a program log any text, but not in the
// kernel's place.
func TestLogLineForgeries(t *testing.T) {
	for _, line := range []string{
		"Jul  3 04:05:06 gate myapp: kernel: " + synRecord,
		"Jul  3 04:05:06 gate sshd[1]: kernel: " + synRecord,
		"Jul  3 04:05:06 myapp: kernel: " + synRecord,
		"Jul  3 04:05:06 myapp[1]: kernel: " + synRecord,
		"Jul  3 04:05:06 [myapp] kernel: " + synRecord,
		"Jul  3 04:05:06 gate user.info kernel: " + synRecord,
		"Jul  3 04:05:06 gate user.info myapp: kernel: " + synRecord,
		"Jul  3 04:05:06 gate my app kernel: " + synRecord,
		"Jul  3 04:05:06 gate user.info kern.info kernel: " + synRecord,
		"2026-07-03 04:05:06,123 INFO user says " + synRecord,
		"2026-07-03T04:05:06,123456+00:00 gate myapp[77]: " + synRecord,
		// Stamps in brackets of other programs than dmesg.
		"[2026-07-03 04:05:06] myapp: " + synRecord,
		"[2026/07/03 04:05:06.123] [error] " + synRecord,
		"[03/Jul/2026:04:05:06 +0200] gate myapp: kernel: " + synRecord,
		"[03/Jul/2026:04:05:06 +0200] myapp says " + synRecord,
		"[Jul  3 04:05:06] gate myapp: " + synRecord,
		"[juil. 03 04:05:06] myapp says " + synRecord,
		"[1783051506] myapp says " + synRecord,
		"[1783051506.123456] myapp: " + synRecord,
		"[20260703T040506Z] myapp " + synRecord,
		"[Fri Jul  3 04:05:06.123456 2026] [core:error] " + synRecord,
		"[Fri 2026-07-03 04:05:06 UTC] myapp " + synRecord,
		// A stamp behind a stamp, but not directly.
		"Jul  3 04:05:06 gate Jul  3 04:05:06 gate kernel: " + synRecord,
		"Jul  3 04:05:06 myapp: Jul  3 04:05:06 gate kernel: " + synRecord,
		"2026-07-03T04:05:06Z Jul  3 04:05:06 gate myapp: kernel: " + synRecord,
		"Jul  3 04:05:06 gate KERNEL: " + synRecord,
		"Jul  3 04:05:06 gate vmunix: " + synRecord,
		"Jul  3 04:05:06 gate xkernel: " + synRecord,
		"Jul  3 04:05:06 gate kernelx: " + synRecord,
		"2026-07-03T04:05:06Z gate logger: [ 12.345678] " + synRecord,
		"[ 1234.567890] gate myapp[77]: kernel: " + synRecord,
		"Fri 2026-07-03 04:05:06 UTC gate ssh.service[77]: kernel: " + synRecord,
		"<14>1 2026-07-03T04:05:06Z gate kernel - - - kernel: " + synRecord,
		"<4>1 2026-07-03T04:05:06Z gate app kernel kernel - kernel: " + synRecord,
		"kern.log:Jul  3 04:05:06 gate myapp: kernel: " + synRecord,
		// Further lines of a message, as journalctl prints them.
		"                     Jul  3 04:05:06 gate kernel: " + synRecord,
		"                     juil. 03 04:05:06 gate kernel: " + synRecord,
		"                     3-VII-26 4h05 gate kernel: " + synRecord,
		"                     [ 1234.567890] " + synRecord,
		"j.log:                     Jul  3 04:05:06 gate kernel: " + synRecord,
		`                     {"_TRANSPORT":"kernel","MESSAGE":"` + synRecord + `"}`,
		`                     data: {"_TRANSPORT":"kernel","MESSAGE":"` + synRecord + `"}`,
		`3/7 4h05 gate myapp:{"_TRANSPORT":"kernel","MESSAGE":"` + synRecord + `"}`,
		`Jul  3 04:05:06 gate myapp: {"_TRANSPORT":"kernel","MESSAGE":"` + synRecord + `"}`,
		"Jul  3 04:05:06 GATE myapp kernel: " + synRecord,
		"2026-07-03T04:05:06Z\tgate\tmyapp\tkernel\t" + synRecord,
		"2026-07-03T04:05:06Z\tgate\tmyapp\tx\tgate\tkernel\t" + synRecord,
		"2026-07-03T04:05:06Z\tgate\tuser\tnotice\tkernel\t" + synRecord,
		"2026-07-03T04:05:06Z\tgate\tuser.notice\tkernel\t" + synRecord,
		"2026-07-03T04:05:06Z gate myapp: x\tgate\tkernel\t" + synRecord,
		"2026-07-03T04:05:06Z\tgate myapp\tkernel\t" + synRecord,
		"2026-07-03T04:05:06Z gate\tkernel\t" + synRecord,
		"Jul  3 04:05:06 gate myapp:\t2026-07-03T04:05:06Z\tgate\tkernel\t" + synRecord,
		"07/13/2026 04:05:06 gate myapp: kernel: " + synRecord,
		"Jul  3 04:05:06 CAT myapp kernel: " + synRecord, // a host, not Central Africa's time
		"Fri 2026-07-03 04:05:06 XYZ gate myapp: kernel: " + synRecord,
		"Jul  3 04:05:06 PM gate myapp: kernel: " + synRecord,
		"gate myapp: x:Jul  3 04:05:06 gate kernel: " + synRecord,
		"gate myapp:Jul  3 04:05:06 gate kernel: " + synRecord,
		"3/7 4h05 gate myapp:[ 1234.567890] " + synRecord,
		"3/7 4h05 gate myapp: x-Jul  3 04:05:06 gate kernel: " + synRecord,
		"3/7 4h05 gate my app: kernel: " + synRecord,
		"Jul  3 04:05:06 gate [myapp] kernel: " + synRecord,
		"2026-07-03T04:05:06Z gate app - - - kernel: " + synRecord,
		`<4>1 2026-07-03T04:05:06Z gate kernel - - [x y="` + synRecord + `"] message`,
		`<4>1 2026-07-03T04:05:06Z gate kernel - - [x y="\` + synRecord,
		`{"_TRANSPORT":"stdout","__REALTIME_TIMESTAMP":"1","MESSAGE":"kernel: ` + synRecord + `"}`,
		`{"X_TRANSPORT":"kernel","__REALTIME_TIMESTAMP":"1","MESSAGE":"` + synRecord + `"}`,
		`{"a":{"_TRANSPORT":"kernel"},"__REALTIME_TIMESTAMP":"1","MESSAGE":"` + synRecord + `"}`,
		`Jul  3 04:05:06 gate myapp: {"priority":4,"sequence":1,"sec":1,"usec":2,"msg":"` + synRecord + `"}`,
		`Jul  3 04:05:06 gate myapp: {"facility":"kern","_program":"kernel","short_message":"` + synRecord + `"}`,
		`3/7 4h05 gate myapp:{"facility":"kern","message":"` + synRecord + `"}`,
		`2026-07-03T04:05:06Z	gate	myapp	{"facility":"kern","message":"` + synRecord + `"}`,
		`{"_TRANSPORT":"syslog","MESSAGE":"{\"priority\":4,\"sequence\":1,\"sec\":1,\"usec\":2,\"msg\":\"` + synRecord + `\"}"}`,
		`{"_TRANSPORT":"syslog","priority":4,"sequence":1,"sec":1,"usec":2,"MESSAGE":"` + synRecord + `"}`,
		`{"_TRANSPORT":"stdout","facility":"kern","_program":"kernel","MESSAGE":"` + synRecord + `"}`,
		`{"ident":"myapp","message":"{\"facility\":\"kern\",\"_program\":\"kernel\",\"message\":\"` + synRecord + `\"}"}`,
		`{"_program":"myapp","facility":"kern","message":"kernel: ` + synRecord + `"}`,
		`{"facility":"kern","facility_label":"user","message":"` + synRecord + `"}`,
		`{"facility":0,"message":"` + synRecord + `"}`,
		`{"facility":"kern","message":"myapp[7]: kernel: ` + synRecord + `"}`,
		`{"facility":"kern","message":"<13>kernel: ` + synRecord + `"}`,
		`{"message":"kernel	` + synRecord + `"}`,
		`{"MESSAGE":"x\",\"_TRANSPORT\":\"kernel\",\" ` + synRecord + `"}`,
	} {
		ev := parseLine(t, line)
		if ev.Origin != OriginUnknown {
			t.Errorf("believed to be the kernel's: %s", line)
		}
		if ev.Src.Addr() != netip.MustParseAddr("192.0.2.7") {
			t.Errorf("source %v of %s", ev.Src, line)
		}
	}
}

// TestLogLinePrefix: a log rule's prefix is free text, of which none is taken for
// fields.
func TestLogLinePrefix(t *testing.T) {
	record := strings.TrimPrefix(synRecord, "DROP ")
	for _, p := range []struct {
		prefix string
		origin Origin
	}{
		{"", OriginKernel},
		{"DROP:", OriginKernel},
		{"[UFW BLOCK] ", OriginKernel},
		{"Shorewall:net2fw:DROP:", OriginKernel},
		{"SRC=6.6.6.6 DST=7.7.7.7 ", OriginKernel},
		{"FW-IN=", OriginKernel},
		{"IN=", OriginKernel},
		{"IN= ", OriginKernel},
		{"IN=eth9 ", OriginKernel},
		{"OUT= PROTO=UDP SPT=1 DPT=2 ", OriginKernel},
		{"\xc3( DR\x00OP ", OriginKernel},
		{strings.Repeat("D", 127), OriginKernel},
		// These begin like a record. The true one is found, but it might as well
		// be a line glued to a torn one.
		{"IN=x OUT=y SRC=6.6.6.6 ", OriginUnknown},
		{"IN=x OUT= SRC=6.6.6.6 DST=7.7", OriginUnknown},
	} {
		ev := parseLine(t, "Jul  3 04:05:06 gate kernel: "+p.prefix+record)
		if string(ev.Prefix) != p.prefix || string(ev.In) != "eth0" || ev.Src.Addr() != netip.MustParseAddr("192.0.2.7") {
			t.Errorf("prefix %q: got prefix %q, in %q, source %v", p.prefix, ev.Prefix, ev.In, ev.Src)
		}
		if ev.Origin != p.origin {
			t.Errorf("prefix %q: origin %d, want %d", p.prefix, ev.Origin, p.origin)
		}
	}
}

// TestLogLineTorn: what is glued to a torn or a whole record never lends it a source.
func TestLogLineTorn(t *testing.T) {
	whole := "Jul  3 04:05:06 gate kernel: " + synRecord
	forged := "Jul  3 04:05:07 gate myapp: " + strings.Replace(synRecord, "192.0.2.7", "6.6.6.6", 1)
	for n := range whole {
		var ev Event
		err := LogLine([]byte(whole[:n]+forged), logRef, &ev)
		if err == nil && ev.Src.Addr() == netip.MustParseAddr("6.6.6.6") && ev.Origin == OriginKernel {
			t.Errorf("torn at %d: the forged record counts as the kernel's", n)
		}
	}
	if ev := parseLine(t, whole+forged); ev.Src.Addr() != netip.MustParseAddr("192.0.2.7") {
		t.Errorf("source %v of two records in a line", ev.Src)
	}
}

func TestLogLineNotOurs(t *testing.T) {
	for _, line := range []string{
		"", " ", "\n", "{", "{}", "[", "<", "<4>",
		"Jul  3 04:05:06 gate sshd[1]: Failed password for root from 192.0.2.7 port 22",
		"Jul  3 04:05:06 gate kernel: martian source 10.0.0.1 from 10.0.0.2, on dev eth0",
		"Jul  3 04:05:06 gate kernel: IN=",
		"Jul  3 04:05:06 gate kernel: IN= eth0 OUT= SRC=192.0.2.7",
		"Jul  3 04:05:06 gate kernel: OUT= IN=eth0",
		"Jul  3 04:05:06 gate app: LOGIN=bob OUTCOME=ok",
		"Jul  3 04:05:06 gate kernel: IN=interfacenamelong OUT= SRC=192.0.2.7",
		// Structured data that is not closed before the record (RFC 5424).
		`<13>1 2026-11-27T23:00:00Z h app - - [x@1 y="IN= OUT= "] msg`,
		`<13>1 2026-11-27T23:00:00Z h app - - [x@1 y="\` + "IN= OUT=",
		`<4>1 2026-11-27T23:00:00Z h kernel - - [a][x y="]\"IN=a OUT=b SRC=1.2.3.4"] msg`,
		"1 0001-01-01 00:00:00     [IN= OUT=",
		"1 - h a p m [IN= OUT=", "1 - h a p m [\"\\IN= OUT=",
		`{"log":"1 2026-11-27T23:00:00Z h a - - [IN= OUT= SRC=1.2.3.4"}`,
		`{"MESSAGE":"hello"}`, `{"MESSAGE":null}`, `{"x":[1,{"y":"z"}]}`, "{curly} text",
		"Jul  3 04:05:06 gate kernel: DROP IN=eth0 OUT= ARP HTYPE=1 PTYPE=0x0800 OPCODE=1 MACSRC=02:00:00:00:00:01 IPSRC=192.0.2.1 MACDST=00:00:00:00:00:00 IPDST=192.0.2.2",
		"Jul  3 04:05:06 gate kernel: DROP IN=eth0 OUT= MACSRC=02:00:00:00:00:01 MACDST=02:00:00:00:00:02 MACPROTO=88cc",
		"Jul  3 04:05:06 gate DROP IN=eth0 OUT= MAC= SRC=192.0.2.1 DST=192.0.2.2 PROTO=ARP REQUEST ",
	} {
		var ev Event
		if err := LogLine([]byte(line), logRef, &ev); !errors.Is(err, ErrNotOurs) || !errors.Is(err, ErrSkip) {
			t.Errorf("%q: %v, want not ours", line, err)
		}
	}
}

func parseLine(t *testing.T, line string) *Event {
	t.Helper()
	var ev Event
	if err := LogLine([]byte(line), logRef, &ev); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	return &ev
}

func mustTime(t *testing.T, s string) time.Time {
	t.Helper()
	tm, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t.Fatal(err)
	}
	return tm
}

// TestLogLinePrograms: lines that show that a program or a container wrote them, and lines
// that show nothing.
func TestLogLinePrograms(t *testing.T) {
	const none, program, container = 0, 1, 2
	for _, c := range []struct {
		line string
		want int
	}{
		{"Jul  3 04:05:06 gate kernel: @", none},
		{"Jul  3 04:05:06 gate kernel[n/a]: @", none},
		{"Jul  3 04:05:06 gate @", none},                   // ulogd's own file
		{"Jul  3 04:05:06 gate app: @", none},              // or the prefix of a log rule
		{"Jul  3 04:05:06 gate kern.warn kernel: @", none}, // BusyBox without printk.time
		{"04:05:06 @", none},                               // a stamp of an unknown format
		{"3/7 04:05:06 gate @", none},
		{"4,1,1,-;@", none},
		{"Jul  3 04:05:06 gate kernel[1]: @", program},
		{"Jul  3 04:05:06 gate kernel[0]: @", program},
		{"Jul  3 04:05:06 gate app[77]: @", program},
		{"Jul  3 04:05:06 gate app[77]: kernel: @", program},
		{"Jul  3 04:05:06 gate app: kernel: @", program},
		{"Jul  3 04:05:06 gate my kernel: @", program},
		{"Jul  3 04:05:06 gate <4>kernel: @", program},
		{"Jul  3 04:05:06 gate app: hello#012Jul  3 04:05:06 gate kernel: @", program},
		{"Jul  3 04:05:06 gate kernel: hello#012Jul  3 04:05:06 gate kernel: @", program},
		{"Jul  3 04:05:06 gate 1 2026-07-03T04:05:06Z gate kernel - - - @", program},
		{"Jul  3 04:05:06 gate user.notice kernel: [ 1.5] @", program},
		{"<13>Jul  3 04:05:06 gate kernel: @", program},
		{"<14>1 2026-07-03T04:05:06Z gate kernel - - - @", program},
		{"<4>1 2026-07-03T04:05:06Z gate app 7 - - @", program},
		{`<4>1 2026-07-03T04:05:06Z gate kernel - - [x y="@"] message`, program},
		{"[ 1234.567890] gate app[77]: @", program},
		{"user  :notice: [ 1234.567890] @", program},
		{"12,1,1,-;@", program},
		{`{"_TRANSPORT":"syslog","SYSLOG_IDENTIFIER":"kernel","MESSAGE":"@"}`, program},
		{`{"message":"@","systemd":{"transport":"stdout"},"syslog":{"identifier":"kernel"}}`, program},
		{`{"ident":"myapp","message":"kernel: @"}`, program},
		{`{"facility":"user","programname":"kernel","message":"@"}`, program},
		{`{"message":"Jul  3 04:05:06 gate kernel: @"}`, none},
		{`{"message":"@"}`, none},
		{`{"log":"@\n","stream":"stdout"}`, program | container},
		{`{"log":"Jul  3 04:05:06 gate kernel: @\n","stream":"stderr"}`, container},
		{`{"log":"Jul  3 04:05:06 gate kernel: @\n","stream":"other"}`, none},
		{`{"log":"{\"_TRANSPORT\":\"kernel\",\"MESSAGE\":\"@\"}\n","stream":"stdout"}`, container},
		{`{"message":"<4>[ 1.5] @","input":{"type":"container"}}`, container},
		{`{"message":"@","stream":"stdout","systemd":{"transport":"kernel"}}`, none},
		{"2026-07-03T04:05:07.5Z stdout F Jul  3 04:05:06 gate kernel: [ 1.5] @", container},
		{"2026-07-03T04:05:07.5Z stdout F @", program},
		{"2026-07-03T04:05:07.5Z stderr F Jul  3 04:05:06 gate app[7]: @", program},
		{"web-1  | Jul  3 04:05:06 gate kernel: @", container},
		{`web-1  | {"_TRANSPORT":"kernel","MESSAGE":"@"}`, container},
		// A torn record before the whole one.
		{"Jul  3 04:05:06 gate kernel: IN=x OUT= @", none},
		{"Jul  3 04:05:06 gate app[7]: IN=x OUT= @", program},
		{"Jul  3 04:05:06 gate kernel: IN=x OUT= Jul  3 04:05:06 gate app[7]: @", program},
		{"2026-07-03T04:05:07.5Z stdout F Jul  3 04:05:06 gate kernel: IN=x OUT= @", container},
		{"web-1  | Jul  3 04:05:06 gate kernel: IN=x OUT= @", container},
	} {
		ev := parseLine(t, strings.ReplaceAll(c.line, "@", synRecord))
		got := none
		if ev.Program {
			got |= program
		}
		if ev.Container {
			got |= container
		}
		if got != c.want || ev.Program && ev.Origin == OriginKernel {
			t.Errorf("%s: %d (origin %d), want %d", c.line, got, ev.Origin, c.want)
		}
	}
}
