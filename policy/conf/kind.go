package conf

import (
	"errors"
	"reflect"
	"regexp"
	"strings"

	"fwknopd/enforce/schedule"
)

// Kind is the type of a keyword's value.
type Kind uint8

const (
	Text         Kind = iota
	Flag              // Y or N
	Int               // decimal, Min..Max
	Span              // Int counted in Unit
	Enum              // one of Values
	EnumList          // comma list of Values
	List              // comma list of words
	FilePath          // path of a file
	DirPath           // absolute path of a directory
	NetList           // [Nets]
	NetsOrFlag        // [Nets], or Y (empty) or N (ANY)
	PortList          // comma list of proto/port
	PortNumbers       // comma list of port numbers
	Address           // one IP address
	Target            // IP address and port, blank between them
	Chain             // [ChainSpec]
	NFTable           // [NFTChain]
	Regex             // RE2, a leading * means .*
	Passphrase        // key as text
	Base64            // key in base64
	Base32            // secret in base32
	Command           // command line, variables are not expanded
	MailList          // comma list of mail addresses
	Date              // MM/DD/YYYY
	Epoch             // seconds since 1970
	Account           // user of this host
	Group             // user of this host, for the primary group, or group
	KeyIDs            // comma list of OpenPGP key ids or ANY
	KeyPrints         // comma list of OpenPGP fingerprints
	KeyNames          // comma list of OpenPGP key ids or parts of user ids
	Expect            // [Expectation]
	Listen            // [Endpoint]
	TimeWindow        // [schedule.Window]
	UseLimit          // [schedule.Uses]
	Prefixes          // [PrefixLengths]
	FleetPlace        // [Fleet]
	FleetName         // name of a member of a fleet
	FleetAddress      // IP address and port of a member of a fleet
	FleetPeers        // members of a fleet, [FleetPeer]
)

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

// placeholder marks values that an installer or the operator should have replaced: in
// capitals anywhere, in other letters as a word.
var placeholder = regexp.MustCompile(`CHANGEME|(?i:(^|[^a-z])changeme([^a-z]|$))`)

var errPlaceholder = errors.New("still the placeholder of the shipped file")

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

// keep stores the text of a value that was refused where the field is one of text, so that
// it does not count as missing.
func (k *Keyword) keep(field any, text string) {
	if p, ok := field.(*string); ok && k.Kind != Enum {
		*p = text
	}
}
