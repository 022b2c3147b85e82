package conf

import (
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"fwknopd/enforce/schedule"
)

// placeholder marks values that an installer or the operator should have replaced: in
// capitals anywhere, in other letters as a word.
var placeholder = regexp.MustCompile(`CHANGEME|(?i:(^|[^a-z])changeme([^a-z]|$))`)

var errPlaceholder = errors.New("still the placeholder of the shipped file")

// A kind is how values of one [Kind] are read.
type kind struct {
	// parse returns the meaning of a text, in the type of the field; nil: the text itself.
	parse  func(k *Keyword, d Dialect, text string) (any, error)
	list   bool // the value is a comma list
	short  bool // the 2.6 daemon stops reading where the value ends: a comment may follow it
	words  bool // the value may be any words: a comment behind them would be read as a part of them
	greedy bool // in a 1.9 file the value may hold semicolons
	raw    bool // a $ in the value is not that of a variable
}

// kinds describes each [Kind].
var kinds = [...]kind{
	Text:        {words: true},
	Flag:        {parse: only(parseFlag), short: true},
	Int:         {parse: (*Keyword).parseNumber, short: true},
	Span:        {parse: (*Keyword).parseNumber, short: true},
	Enum:        {parse: (*Keyword).parseWord},
	EnumList:    {parse: (*Keyword).parseWords, list: true},
	List:        {parse: only(parseList), list: true, words: true},
	FilePath:    {words: true},
	DirPath:     {parse: only(parseDir)},
	NetList:     {parse: only(parseNets), list: true},
	NetsOrFlag:  {parse: only(parseNetsOrFlag), list: true, short: true},
	PortList:    {parse: (*Keyword).parsePortList, list: true},
	PortNumbers: {parse: only(parsePortNumbers), list: true},
	Address:     {parse: only(parseAddr), short: true},
	Target:      {parse: only(parseTarget), short: true},
	Chain:       {parse: only(ParseChain)},
	NFTable:     {parse: only(parseNFT)},
	Regex:       {parse: only(parseRegex), greedy: true, raw: true},
	Passphrase:  {parse: only(parsePassphrase), words: true, greedy: true, raw: true},
	Base64:      {parse: only(parseBase64), raw: true},
	Base32:      {parse: only(parseBase32), raw: true},
	Command:     {parse: (*Keyword).parseCommand, greedy: true, raw: true},
	MailList:    {parse: only(parseMails), list: true},
	Date:        {parse: only(parseDate), short: true},
	Epoch:       {parse: (*Keyword).parseNumber, short: true},
	Account:     {},
	Group:       {},
	KeyIDs:      {parse: only(parseKeyIDs), list: true},
	KeyPrints:   {parse: only(parseKeyPrints), list: true},
	KeyNames:    {parse: only(parseKeyNames), list: true, words: true},
	Expect:      {parse: only(ParseExpectation), greedy: true},
	Listen:      {parse: only(parseEndpoint)},
	TimeWindow:  {parse: only(redacted(schedule.ParseWindow)), short: true},
	UseLimit:    {parse: only(redacted(schedule.ParseUses)), short: true},
	Prefixes:    {parse: only(ParsePrefixLengths), short: true},

	FleetPlace:   {parse: only(parseFleet), list: true},
	FleetName:    {parse: only(parseFleetName), short: true},
	FleetAddress: {parse: only(parseFleetAddress), short: true},
	FleetPeers:   {parse: only(ParseFleetPeers)},
}

// only makes a parser of one that needs nothing but the text.
func only[T any](parse func(text string) (T, error)) func(*Keyword, Dialect, string) (any, error) {
	return func(_ *Keyword, _ Dialect, text string) (any, error) { return parse(text) }
}

// redacted makes a parser of one whose errors quote the text as it is.
func redacted[T any](parse func(text string) (T, error)) func(text string) (T, error) {
	return func(text string) (T, error) {
		v, err := parse(text)
		if err != nil {
			err = errors.New(redact(err.Error()))
		}
		return v, err
	}
}

// parse reads text as a value of k in a file of dialect d; nil without text.
func (k *Keyword) parse(d Dialect, text string) (any, error) {
	parse := kinds[k.Kind].parse
	switch {
	case text == "":
		return nil, nil
	case strings.Contains(strings.ToLower(text), "changeme") && placeholder.MatchString(text):
		return nil, errPlaceholder
	case parse == nil:
		return text, nil
	}
	return parse(k, d, text)
}

// assign stores a value that parse returned in a field of k; again adds it to those in
// the field. The type of the field must fit the kind.
func (k *Keyword) assign(field, value any, again bool) {
	f, v := reflect.ValueOf(field).Elem(), reflect.ValueOf(value)
	if word, ok := value.(string); ok && f.Kind() == reflect.Slice {
		v = reflect.ValueOf([]string{word})
	}
	n, isNumber := value.(int64)
	switch {
	case value == nil:
		f.SetZero()
	case isNumber && f.CanUint():
		f.SetUint(uint64(n))
	case isNumber:
		f.SetInt(n * max(1, int64(k.Unit)))
	case f.Kind() == reflect.Slice && f.Type().Elem() == v.Type():
		f.Set(reflect.Append(f, v))
	case again:
		f.Set(reflect.AppendSlice(f, v))
	default:
		f.Set(v)
	}
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

// keep stores the text of a value that was refused where the field is one of text, so that
// it does not count as missing.
func (k *Keyword) keep(field any, text string) {
	if p, ok := field.(*string); ok && k.Kind != Enum {
		*p = text
	}
}

// parseNumber reads an Int, Span or Epoch within the bounds of k.
func (k *Keyword) parseNumber(d Dialect, text string) (any, error) {
	high := k.Max
	if d == C26 && k.Max2 != 0 {
		high = k.Max2
	}
	n, err := parseInt(text, k.Min, high)
	if err == nil {
		return n, nil
	}
	if span, wrong := time.ParseDuration(strings.ReplaceAll(text, " ", "")); wrong == nil && k.Kind == Span && span%k.Unit == 0 {
		if n := strconv.FormatInt(int64(span/k.Unit), 10); n != text {
			return nil, misspelled{err, n}
		}
	}
	return nil, err
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

func (k *Keyword) parseWords(d Dialect, text string) (any, error) {
	words, err := parseList(text)
	if err != nil {
		return nil, err
	}
	for i, w := range words {
		word, err := k.parseWord(d, w)
		if err != nil {
			return nil, err
		}
		words[i] = word.(string)
	}
	return words, nil
}

// parseWord finds the word, ignoring case, and returns it as the table spells it.
func (k *Keyword) parseWord(d Dialect, text string) (any, error) {
	values := k.Values
	if d == C26 && k.Values2 != nil {
		values = k.Values2
	}
	for _, v := range values {
		if strings.EqualFold(v, text) {
			return v, nil
		}
	}
	return nil, unknownWord{text, values}
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

// misspelled is an error that can offer the value that is meant.
type misspelled struct {
	error
	meant string
}

func parseDir(text string) (string, error) {
	if !strings.HasPrefix(text, "/") {
		return "", fmt.Errorf("%q is not an absolute path", clip(text))
	}
	return text, nil
}

func (k *Keyword) parseCommand(_ Dialect, text string) (any, error) {
	if k.Max > 0 && int64(len(text)) > k.Max {
		return nil, fmt.Errorf("longer than %d bytes", k.Max)
	}
	return text, nil
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

// A Secret is key material. It prints as [redacted]; only Bytes gives it away.
type Secret struct{ b []byte }

// NewSecret takes ownership of b.
func NewSecret(b []byte) Secret { return Secret{b} }

// MarshalText keeps encoders from printing the key.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// GoString keeps %#v from printing the key.
func (s Secret) GoString() string { return "conf.Secret(" + s.String() + ")" }

// String implements fmt.Stringer.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return "[redacted]"
}

// Bytes returns the key itself.
func (s Secret) Bytes() []byte { return s.b }

// IsZero reports that no key was configured.
func (s Secret) IsZero() bool { return len(s.b) == 0 }

func parsePassphrase(text string) (Secret, error) { return Secret{[]byte(text)}, nil }

func parseBase64(text string) (Secret, error) {
	b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil || len(b) == 0 {
		return Secret{}, errors.New("not base64")
	}
	return Secret{b}, nil
}

// parseBase32 reads a secret as authenticators show it: in capitals or not, in groups, with or
// without padding.
func parseBase32(text string) (Secret, error) {
	text = strings.ToUpper(strings.TrimRight(strings.Join(strings.Fields(text), ""), "="))
	if strings.Trim(text, base32Alphabet) != "" { // the decoder skips line ends
		return Secret{}, errors.New("not base32")
	}
	b, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(text)
	if err != nil || len(b) == 0 {
		return Secret{}, errors.New("not base32")
	}
	if n := base32.StdEncoding.WithPadding(base32.NoPadding).EncodedLen(len(b)); n != len(text) { // the decoder drops the rest
		return Secret{}, fmt.Errorf("not base32: no number of bytes has %d characters, one is missing or too many", len(text))
	}
	return Secret{b}, nil
}

// base32Alphabet is that of RFC 4648 section 6.
const base32Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

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

// parseKeyIDs takes short, long and full ids, hexadecimal, and ANY.
func parseKeyIDs(text string) ([]string, error) {
	return parseHexes(text, func(n int) bool { return n == 8 || n == 16 || n == 32 || n == 40 || n == 64 }, true)
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
