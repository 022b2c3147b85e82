package page

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	"fwknopd/cmd/fwknopd/report"
	"fwknopd/cmd/fwknopd/stats"
	"fwknopd/policy"
)

// hostile is text of a log, a stanza or a host name that tries to be HTML, and to turn around
// or hide the text around it.
const hostile = "</td></script></style><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">&#8238;&lt;b&gt;\u202egnp.exe\u2066\u200b\x00\x1b[2J\r\n\"'`{{.}}"

// unbroken is a word that is wider than a telephone.
var unbroken = strings.Repeat("unbroken", 12)

// day0 is the first time of the samples.
var day0 = time.Date(2026, 10, 5, 0, 0, 0, 0, time.UTC)

// sizes are how long the lists of a sample are.
type sizes struct{ buckets, sources, others int }

// largest are the longest lists that a summary has.
var largest = sizes{buckets: 2000, sources: 1000, others: 200}

// sample returns a summary like that of a gateway: days and nights, a scan, a grant now and
// then. It is the same each time.
func sample(n sizes) *stats.Summary {
	r := rand.New(rand.NewPCG(1, 2))
	s := &stats.Summary{
		V: 1, Inputs: []string{"/var/log/fwknop/events.jsonl", "/var/log/kern.log.2.gz", "/var/log/kern.log.1", "gateway.pcapng"},
		From: day0, To: day0.Add(time.Duration(n.buckets) * 10 * time.Minute),
		Notes: []string{"1,204 sources that sent a single SYN each were not told apart: memory is bounded."},
	}
	s.Timeline = sampleTimeline(r, n.buckets)
	s.Systems = sampleSystems()
	s.Sources = stats.List[stats.Source]{Total: 66412, AtLeast: true, Shown: sampleSources(r, n.sources)}
	s.Ports = stats.List[stats.Port]{Total: 4123, Shown: samplePorts(n.others)}
	s.Decisions = sampleDecisions(s.Timeline.Buckets)
	s.Knocks = stats.List[stats.Knock]{Total: n.others, Shown: sampleKnocks(r, n.others)}
	s.Grants = stats.List[stats.Grant]{Total: 3 * n.others, Shown: sampleGrants(r, n.others)}
	s.NotOpened = 2
	s.Unknown = stats.List[stats.Unknown]{Total: n.others, Shown: sampleUnknown(n.others)}
	s.Accounting = stats.Accounting{NotOurs: 87_990, Malformed: 7, Bytes: 1_430_224_117, Untimed: 12, Lost: 341}
	for i := range s.Timeline.Buckets {
		s.Accounting.Events += s.Timeline.Buckets[i].Events
		s.Accounting.SYNs += s.Timeline.Buckets[i].SYNs
	}
	s.Accounting.Records = s.Accounting.Events + s.Accounting.NotOurs + s.Accounting.Malformed
	return s
}

func sampleTimeline(r *rand.Rand, n int) stats.Timeline {
	l := stats.Timeline{Width: 10 * time.Minute}
	for i := range n {
		hour := float64(i) / 6
		events := 260 + 180*math.Sin((hour-9)/24*2*math.Pi) + r.Float64()*90
		b := stats.Bucket{Start: day0.Add(time.Duration(i) * l.Width)}
		if scan := i - n*2/3; scan >= 0 && scan < 9 {
			events += 2600 - float64(scan)*210
			b.Refused = uint64(38 - scan*3)
		}
		b.Events = uint64(events)
		b.SYNs = uint64(events * (0.55 + r.Float64()/10))
		if math.Mod(hour, 24) > 7 && math.Mod(hour, 24) < 19 {
			b.Granted, b.Other = uint64(r.IntN(4)), uint64(r.IntN(12)/11)
		}
		b.Refused += uint64(r.IntN(7) / 5)
		if i%97 != 96 { // a gap now and then
			l.Buckets = append(l.Buckets, b)
		}
	}
	return l
}

func sampleSystems() []stats.System {
	return []stats.System{
		{Genre: "Linux", Sources: 31877, SYNs: 402113, Versions: []stats.Version{
			{Label: "Linux:4.20-6.x::Linux 4.20 and newer", Sources: 22410, SYNs: 301882},
			{Label: "Linux:3.11-4.19::Linux 3.11 - 4.19", Sources: 8022, SYNs: 90121},
			{Label: "Linux:2.6::Linux 2.6 (newer)", Sources: 1445, SYNs: 10110},
		}},
		{Genre: "", Sources: 14203, SYNs: 88123, Versions: []stats.Version{}},
		{Genre: "NMAP", Sources: 9210, SYNs: 120441, Versions: []stats.Version{{Label: "*NMAP:syn scan:1:NMAP syn scan (1)", Sources: 9210, SYNs: 120441}}},
		{Genre: "Windows", Sources: 7401, SYNs: 61022, Versions: []stats.Version{
			{Label: "Windows:10:11:Windows 10, 11, Server 2016 and newer", Sources: 6120, SYNs: 51200},
			{Label: "Windows:XP:SP1+:" + hostile, Sources: 1281, SYNs: 9822},
		}},
		{Genre: "FreeBSD", Sources: 301, SYNs: 2210, Versions: []stats.Version{{Label: "FreeBSD:9-14::FreeBSD 9 - 14", Sources: 301, SYNs: 2210}}},
		{Genre: "OpenBSD", Sources: 12, SYNs: 88, Versions: []stats.Version{{Label: "OpenBSD:6-7::OpenBSD 6 - 7", Sources: 12, SYNs: 88}}},
	}
}

func sampleSources(r *rand.Rand, n int) []stats.Source {
	systems := []string{"Linux:4.20-6.x::Linux 4.20 and newer", "*NMAP:syn scan:1:NMAP syn scan (1)", "Windows:10:11:Windows 10, 11, Server 2016 and newer", "", "FreeBSD:9-14::FreeBSD 9 - 14"}
	ports := []string{"tcp/22", "tcp/443", "udp/62201", "tcp/3389", "tcp/23", "tcp/8080"}
	rows := make([]stats.Source, n)
	for i := range rows {
		first := day0.Add(time.Duration(r.IntN(9*24*3600)) * time.Second)
		rows[i] = stats.Source{
			Addr: sampleAddr(r, i), System: systems[r.IntN(len(systems))], SYNs: uint64(40000 / (i + 1)),
			Ports: append(slices.Clone(ports[:1+r.IntN(len(ports))]), "…"), First: first, Last: first.Add(time.Duration(r.IntN(4*24*3600)) * time.Second),
		}
		switch i % 9 {
		case 2:
			rows[i].Granted = uint64(r.IntN(40))
		case 4, 5:
			rows[i].Refused = uint64(r.IntN(300))
		}
	}
	if n > 3 {
		rows[3].System, rows[3].Ports = hostile, []string{unbroken}
	}
	return rows
}

func sampleAddr(r *rand.Rand, i int) string {
	if i%11 == 10 {
		return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, byte(r.IntN(256)), byte(i), 0, byte(r.IntN(256)), byte(r.IntN(256)), 1, byte(r.IntN(256)), 2, byte(r.IntN(256)), 3, byte(i >> 8), byte(i)}).String()
	}
	net := [...][2]byte{{192, 0}, {198, 51}, {203, 0}}[i%3]
	return netip.AddrFrom4([4]byte{net[0], net[1], byte(100 + i>>8), byte(i)}).String()
}

func samplePorts(n int) []stats.Port {
	first := []string{"tcp/22", "tcp/23", "tcp/443", "tcp/3389", "tcp/8080", "udp/5060", "tcp/445", "udp/62201", "tcp/80", "icmp/8"}
	rows := make([]stats.Port, n)
	for i := range rows {
		port := fmt.Sprintf("tcp/%d", 1000+i*37)
		if i < len(first) {
			port = first[i]
		}
		rows[i] = stats.Port{Port: port, Records: uint64(105000 / (i + 1)), Sources: uint64(9000 / (i + 1))}
	}
	return rows
}

// sampleDecisions returns reasons for what the buckets have.
func sampleDecisions(buckets []stats.Bucket) []stats.Decision {
	var sum stats.Bucket
	for i := range buckets {
		sum.Granted, sum.Refused, sum.Other = sum.Granted+buckets[i].Granted, sum.Refused+buckets[i].Refused, sum.Other+buckets[i].Other
	}
	few := sum.Refused / 12
	d := func(verdict string, reason policy.Reason, n uint64, examples ...stats.Example) stats.Decision {
		m, _ := report.MeaningOf(reason)
		if examples == nil {
			examples = []stats.Example{}
		}
		return stats.Decision{Verdict: verdict, Reason: string(reason), N: n, Meaning: m.Text, Remedy: m.Remedy, Examples: examples}
	}
	at := day0.Add(9*time.Hour + 12*time.Minute)
	return []stats.Decision{
		d(report.Granted, policy.SPAGranted, sum.Granted, stats.Example{Time: at, Src: "198.51.100.23", Text: "granted spa.granted 198.51.100.23:40112 -> 192.0.2.1:62201 udp stanza office user alice: 198.51.100.23 tcp/22 until 2026-10-05T09:12:30Z"}),
		d(report.Refused, policy.NoStanza, sum.Refused-5*few, stats.Example{Time: at.Add(time.Minute), Src: "203.0.100.8", Text: "refused no_stanza 203.0.100.8:1 -> 192.0.2.1:62201 udp"}),
		d(report.Refused, policy.SPAStale, 3*few,
			stats.Example{Time: at.Add(time.Hour), Src: "203.0.100.9", Text: "refused spa.stale 203.0.100.9:2311 -> 192.0.2.1:62201 udp stanza office: 431 s old, limit 120 s"},
			stats.Example{Time: at.Add(2 * time.Hour), Src: "203.0.100.9", Text: hostile}),
		d(report.Refused, policy.SPAReplay, few, stats.Example{Time: at, Src: "203.0.100.77", Text: "refused spa.replay 203.0.100.77:5122 -> 192.0.2.1:62201 udp stanza office: first seen 2026-10-05T09:12:00.000000Z, first from 198.51.100.23"}),
		d(report.Shadow, policy.SPAGranted, sum.Other-sum.Other/8),
		d(report.Refused, policy.KnockWrongPort, few),
		d(report.Command, policy.SPACommand, sum.Other/8),
	}
}

func sampleKnocks(r *rand.Rand, n int) []stats.Knock {
	reasons := []policy.Reason{policy.KnockGranted, policy.KnockWrongPort, policy.KnockTimeout}
	rows := make([]stats.Knock, n)
	for i := range rows {
		rows[i] = stats.Knock{
			Src: sampleAddr(r, i), Stanza: "backup (access.conf:31)", Reason: string(reasons[i%len(reasons)]),
			N: uint64(1 + r.IntN(50)), Last: day0.Add(time.Duration(r.IntN(900000)) * time.Second),
		}
	}
	if n > 1 {
		rows[1].Stanza = hostile
	}
	return rows
}

func sampleGrants(r *rand.Rand, n int) []stats.Grant {
	rows := make([]stats.Grant, n)
	for i := range rows {
		start := day0.Add(time.Duration(i)*3*time.Hour + time.Duration(r.IntN(7200))*time.Second)
		g := stats.Grant{
			Src: sampleAddr(r, i%7), Ports: []string{"tcp/22"}, Stanza: "office (access.conf:12)", User: []string{"alice", "bob", ""}[i%3],
			Start: start, For: 30 * time.Second, End: start.Add(30 * time.Second), Ended: "expired",
		}
		switch i % 5 {
		case 1:
			g.Ports, g.For, g.End, g.Ended = []string{"tcp/22", "tcp/5432"}, 8*time.Hour, start.Add(3*time.Hour+11*time.Minute), "revoked"
		case 4:
			g.For, g.End, g.Ended = 0, time.Time{}, "open"
		}
		rows[i] = g
	}
	if n > 2 {
		rows[2].User, rows[2].Ended = hostile, unbroken
	}
	return rows
}

func sampleUnknown(n int) []stats.Unknown {
	rows := make([]stats.Unknown, n)
	for i := range rows {
		rows[i] = stats.Unknown{
			Signature: fmt.Sprintf("%d:64:1:60:M1460,S,T,N,W%d:", 1024+i*64, i%15), SYNs: uint64(9000 / (i + 1)), Sources: uint64(700/(i+1) + 1),
			Nearest: "64240:64:1:60:M*,S,T,N,W* Linux:4.20-6.x::Linux 4.20 and newer", Differs: fmt.Sprintf("window %d instead of 64240", 1024+i*64),
		}
	}
	return rows
}
