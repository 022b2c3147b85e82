package config

import (
	"fmt"
	"io"
	"strings"

	"fwknopd/policy/conf"
)

// Help implements `fwknopd help KEYWORD…`: one paragraph each, from the parser's
// keyword table. It returns exit code 1 if a keyword is unknown.
func Help(keywords []string, stdout, stderr io.Writer) int {
	code := exitOK
	for i, name := range keywords {
		found := lookup(name)
		if len(found) == 0 {
			hint := ""
			if n := conf.Nearest(name); n != "" {
				hint = " (did you mean " + n + "?)"
			}
			fmt.Fprintf(stderr, "fwknopd: no keyword %s%s\n", name, hint)
			code = exitError
			continue
		}
		for j, k := range found {
			if i+j > 0 {
				fmt.Fprintln(stdout)
			}
			fmt.Fprint(stdout, describe(k))
		}
	}
	return code
}

// lookup returns the keyword of that name in each of the two files, ignoring case.
func lookup(name string) []*conf.Keyword {
	var found []*conf.Keyword
	for _, f := range []conf.File{conf.ServerFile, conf.AccessFile} {
		k := conf.Find(f, name)
		if k == nil {
			k = conf.Find(f, strings.ToUpper(name))
		}
		if k != nil {
			found = append(found, k)
		}
	}
	return found
}

// describe returns the paragraph of one keyword.
func describe(k *conf.Keyword) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s)\n    %s\n", k.Name, k.File, k.Text)
	for _, r := range keywordRows(k) {
		fmt.Fprintf(&b, "    %-9s %s\n", r[0]+":", r[1])
	}
	return b.String()
}

// keywordRows returns the rows of help and manual page, label and text.
func keywordRows(k *conf.Keyword) [][2]string {
	rows := [][2]string{{"value", valueText(k)}, {"default", defaultText(k)}}
	if len(k.Aliases) > 0 {
		var names []string
		for _, a := range k.Aliases {
			names = append(names, a.Name)
		}
		rows = append(rows, [2]string{"also", strings.Join(names, ", ")})
	}
	rows = append(rows, [2]string{"from", k.In.String()})
	if k.Repeat {
		rows = append(rows, [2]string{"repeated", "several lines add up"})
	}
	switch {
	case k.Verdict == conf.Obsolete:
		rows = append(rows, [2]string{"note", "accepted and checked, without effect"})
	case k.Differs != "":
		rows = append(rows, [2]string{"note", k.Differs})
	}
	return rows
}

// valueText describes the values that a keyword accepts.
func valueText(k *conf.Keyword) string {
	switch k.Kind {
	case conf.Enum:
		return oneOf(k.Values, k.Values2)
	case conf.EnumList:
		return "comma list of " + oneOf(k.Values, k.Values2)
	case conf.Int, conf.Epoch:
		return rangeText(k)
	case conf.Span:
		unit := map[int64]string{1e3: "microseconds", 1e9: "seconds", 60e9: "minutes"}[int64(k.Unit)]
		return unit + ", " + rangeText(k)
	case conf.Command:
		if k.Max > 0 {
			return fmt.Sprintf("command line of at most %d bytes", k.Max)
		}
	}
	return kindText[k.Kind]
}

var kindText = map[conf.Kind]string{
	conf.Text: "text", conf.Flag: "Y or N", conf.List: "comma list", conf.FilePath: "path of a file",
	conf.DirPath: "absolute path of a directory", conf.NetList: "comma list of ANY, address, address/length, address/mask; ! excludes; NONE",
	conf.NetsOrFlag: "Y, N, or a comma list of networks", conf.PortList: "comma list of tcp/port, udp/port, icmp",
	conf.PortNumbers: "comma list of port numbers", conf.Address: "IP address", conf.Target: "IP address, blank, port",
	conf.Chain:   "target, direction, table, from chain, jump position, our chain, rule position",
	conf.NFTable: "family, table, chain", conf.Regex: "regular expression (RE2)", conf.Passphrase: "text", conf.Base64: "base64", conf.Base32: "base32",
	conf.Command: "command line", conf.MailList: "comma list of mail addresses", conf.Date: "MM/DD/YYYY", conf.Account: "user name",
	conf.Group: "user or group name", conf.KeyNames: "comma list of OpenPGP key ids or parts of user ids", conf.KeyIDs: "comma list of OpenPGP key ids or fingerprints, or ANY",
	conf.KeyPrints: "comma list of OpenPGP fingerprints", conf.Expect: "verdict [reason] word value ...",
	conf.Listen:     "absolute path of a socket, or address:port",
	conf.TimeWindow: "days times [zone], as in Mon-Fri 08:00-18:00 Europe/Berlin; days are names, ranges and commas, or daily; an end at or before the begin is on the next day; without a zone of the IANA database it is UTC",
	conf.UseLimit:   "number, number/day, or number/day zone; without a zone of the IANA database days are those of UTC",
	conf.FleetPlace: "embedded, or comma list of nats://host:port or tls://host:port", conf.FleetName: "1 to 63 of a-z, 0-9 and -",
	conf.FleetAddress: "address:port", conf.FleetPeers: "name@address:port/pin, blanks between several",
	conf.Prefixes: "prefix length of IPv4, slash, prefix length of IPv6; one may be left out",
}

func oneOf(values, values2 []string) string {
	s := strings.Join(values, ", ")
	if values2 != nil {
		s += "; in 2.6 files " + strings.Join(values2, ", ")
	}
	return s
}

func rangeText(k *conf.Keyword) string {
	s := fmt.Sprintf("%d to %d", k.Min, k.Max)
	if k.Max2 != 0 {
		s += fmt.Sprintf(" (2.6 files: to %d)", k.Max2)
	}
	return s
}

func defaultText(k *conf.Keyword) string {
	one, two := orUnset(k.DefaultFor(conf.Perl19)), orUnset(k.DefaultFor(conf.C26))
	if one == two {
		return one
	}
	return one + "; in 2.6 files " + two
}

func orUnset(s string) string {
	if s == "" {
		return "unset"
	}
	return s
}
