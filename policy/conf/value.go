package conf

import (
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

func parseFlag(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "y", "yes":
		return true, nil
	case "n", "no":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither Y nor N", clip(text))
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
