package conf

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Origin is where an effective value came from.
type Origin uint8

const (
	FromDefault Origin = iota
	FromFile
	FromArgv
)

// A Value is one effective value: its text after expansion and what the text means.
type Value struct {
	Keyword *Keyword
	Text    string // "" is unset; holds the secret for secret keywords: print with String
	Pos     Pos    // zero unless Origin is FromFile
	Origin  Origin
	Name    string // the spelling used, a name or alias of Keyword

	parsed
}

// String is the text, or [redacted].
func (v *Value) String() string {
	if v.Keyword.Secret() && v.Text != "" {
		return "[redacted]"
	}
	return v.Text
}

// Where is the origin of the value: `file:line`, argv or default.
func (v *Value) Where() string {
	switch v.Origin {
	case FromFile:
		return v.Pos.String()
	case FromArgv:
		return "argv"
	default:
		return "default"
	}
}

// IsSet reports that a file or the command line gave the value.
func (v *Value) IsSet() bool { return v != nil && v.Origin != FromDefault }

// parsed is the meaning of a text, in the field that belongs to the kind.
type parsed struct {
	flag  bool
	n     int64
	list  []string
	nets  Nets
	ports []Port
	addr  netip.AddrPort
	re    *regexp.Regexp
	key   Secret
	when  time.Time
	chain ChainSpec
	nft   NFTChain
	exp   Expectation
}

// placeholder marks values that an installer or the operator should have replaced: in
// capitals anywhere, in other letters as a word.
var placeholder = regexp.MustCompile(`CHANGEME|(?i:(^|[^a-z])changeme([^a-z]|$))`)

var errPlaceholder = errors.New("still the placeholder of the shipped file")

// lists are the kinds whose value is a list of words.
var lists = map[Kind]func(text string) ([]string, error){
	List: parseList, PortNumbers: parsePortNumbers, MailList: parseMails,
	KeyIDs: parseKeyIDs, KeyPrints: parseKeyPrints, KeyNames: parseKeyNames,
}

// parse reads text as a value of k in a file of dialect d.
func (k *Keyword) parse(d Dialect, text string) (p parsed, err error) {
	if text == "" {
		return parsed{}, nil
	}
	if placeholder.MatchString(text) {
		return parsed{}, errPlaceholder
	}
	switch k.Kind {
	case Flag:
		p.flag, err = parseFlag(text)
	case Int, Span, Epoch:
		p.n, err = parseInt(text, k.Min, k.maxFor(d))
		p.when = time.Unix(p.n, 0).UTC()
	case Enum:
		p.list, err = parseEnum(text, k.valuesFor(d))
	case EnumList:
		p.list, err = parseEnums(text, k.valuesFor(d))
	case DirPath:
		err = checkDir(text)
	case NetList:
		p.nets, err = parseNets(text)
	case NetsOrFlag:
		p.nets, err = parseNetsOrFlag(text)
	case PortList:
		p.ports, err = parsePorts(text, d == Perl19 || k.Name == "SHARED_SEQUENCE") // 2.6 has no sequences
	case Address:
		var a netip.Addr
		a, err = parseAddr(text)
		p.addr = netip.AddrPortFrom(a, 0)
	case Target:
		p.addr, err = parseTarget(text)
	case Chain:
		p.chain, err = ParseChain(text)
	case NFTable:
		p.nft, err = parseNFT(text)
	case Regex:
		p.re, err = parseRegex(text)
	case Passphrase:
		p.key = NewSecret([]byte(text))
	case Base64:
		p.key, err = parseBase64(text)
	case Command:
		if k.Max > 0 && int64(len(text)) > k.Max {
			err = fmt.Errorf("longer than %d bytes", k.Max)
		}
	case Date:
		p.when, err = parseDate(text)
	case Expect:
		p.exp, err = ParseExpectation(text)
	default:
		if list := lists[k.Kind]; list != nil {
			p.list, err = list(text)
		}
	}
	return p, err
}

func parseFlag(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "y", "yes":
		return true, nil
	case "n", "no":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither Y nor N", clip(text))
}

func parseInt(text string, low, high int64) (int64, error) {
	digits := strings.TrimPrefix(text, "-")
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, fmt.Errorf("%q is not a whole number", clip(text))
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("%s is out of range, %d to %d are allowed", clip(text), low, high)
	}
	return n, nil
}

// parseEnum finds the word, ignoring case, and returns it as the table spells it.
func parseEnum(text string, values []string) ([]string, error) {
	for _, v := range values {
		if strings.EqualFold(v, text) {
			return []string{v}, nil
		}
	}
	return nil, unknownWord{text, values}
}

func parseEnums(text string, values []string) ([]string, error) {
	words, err := parseList(text)
	if err != nil {
		return nil, err
	}
	for i, w := range words {
		one, err := parseEnum(w, values)
		if err != nil {
			return nil, err
		}
		words[i] = one[0]
	}
	return words, nil
}

// unknownWord is an error that can offer the nearest allowed word.
type unknownWord struct {
	word   string
	values []string
}

func (u unknownWord) Error() string {
	if len(u.values) == 1 {
		return fmt.Sprintf("%q is unknown, only %s is allowed", clip(u.word), u.values[0])
	}
	return fmt.Sprintf("%q is not one of %s", clip(u.word), strings.Join(u.values, ", "))
}

func parseList(text string) ([]string, error) {
	parts := strings.Split(text, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
		if parts[i] == "" {
			return nil, errors.New("empty entry in the list")
		}
	}
	return parts, nil
}

func checkDir(text string) error {
	if !strings.HasPrefix(text, "/") {
		return fmt.Errorf("%q is not an absolute path", clip(text))
	}
	return nil
}

// parseRegex compiles RE2; a leading * means .* as in the examples of the manual.
func parseRegex(text string) (*regexp.Regexp, error) {
	if strings.HasPrefix(text, "*") {
		text = "." + text
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, fmt.Errorf("does not compile: %s", redact(strings.TrimPrefix(err.Error(), "error parsing regexp: ")))
	}
	return re, nil
}

func parseBase64(text string) (Secret, error) {
	b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil || len(b) == 0 {
		return Secret{}, errors.New("not base64")
	}
	return NewSecret(b), nil
}

func parseMails(text string) ([]string, error) {
	list, err := parseList(text)
	if err != nil {
		return nil, err
	}
	for _, m := range list {
		user, host, ok := strings.Cut(m, "@")
		if !ok || user == "" || host == "" || strings.ContainsAny(m, " \t\"<>") || strings.HasPrefix(m, "-") {
			return nil, fmt.Errorf("%q is no mail address", clip(m))
		}
	}
	return list, nil
}

// parseDate reads MM/DD/YYYY. A year of one or two digits is one of this century, as
// in the 2.6 daemon.
func parseDate(text string) (time.Time, error) {
	full := text
	i := strings.LastIndexByte(text, '/')
	switch year := text[i+1:]; len(year) {
	case 1:
		full = text[:i+1] + "200" + year
	case 2:
		full = text[:i+1] + "20" + year
	}
	for _, layout := range []string{"01/02/2006", "1/2/2006"} {
		if t, err := time.Parse(layout, full); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no date, MM/DD/YYYY is wanted", clip(text))
}

// parseKeyIDs takes short, long and full ids, hexadecimal, and ANY.
func parseKeyIDs(text string) ([]string, error) {
	return parseHexes(text, func(n int) bool { return n == 8 || n == 16 || n == 32 || n == 40 || n == 64 }, true)
}

func parseKeyPrints(text string) ([]string, error) {
	return parseHexes(text, func(n int) bool { return n == 32 || n == 40 || n == 64 }, false)
}

// parseKeyNames takes key ids and parts of user ids, commas between them. Blanks
// separate ids too; in a user id and in a fingerprint in groups they belong to it.
func parseKeyNames(text string) ([]string, error) {
	list, err := parseList(text)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range list {
		if ids, err := parseKeyIDs(strings.Join(strings.Fields(entry), ",")); err == nil && !slices.Contains(ids, "ANY") {
			names = append(names, ids...)
			continue
		}
		names = append(names, entry)
	}
	return names, nil
}

func parseHexes(text string, length func(int) bool, any bool) ([]string, error) {
	list, err := parseList(text)
	if err != nil {
		return nil, err
	}
	for i, id := range list {
		id = strings.ToUpper(strings.ReplaceAll(id, " ", ""))
		id = strings.TrimPrefix(id, "0X")
		if id == "ANY" && any {
			return []string{"ANY"}, nil
		}
		if !length(len(id)) || strings.Trim(id, "0123456789ABCDEF") != "" {
			what := "key id"
			if !any {
				what = "full fingerprint"
			}
			return nil, fmt.Errorf("%q is no %s", clip(list[i]), what)
		}
		list[i] = id
	}
	return list, nil
}
