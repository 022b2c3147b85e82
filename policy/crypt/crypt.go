// Package crypt checks a password against an entry of a shadow file, for
// REQUIRE_AUTH_METHOD crypt: MD5-crypt ($1$), SHA-crypt ($5$, $6$), bcrypt
// ($2a$, $2b$, $2y$), scrypt ($7$) and yescrypt ($y$).
//
// The entry point is [Verify]. It is as slow as the hash is meant to be: some
// milliseconds and more.
package crypt

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/go-crypt/crypt/algorithm"
	"github.com/go-crypt/crypt/algorithm/bcrypt"
	"github.com/go-crypt/crypt/algorithm/md5crypt"
	"github.com/go-crypt/crypt/algorithm/scrypt"
	"github.com/go-crypt/crypt/algorithm/shacrypt"
	"github.com/go-crypt/x/yescrypt"
)

// Errors of [Verify]. Their texts never contain the hash.
var (
	errUnsupported = errors.New("password hash cannot be checked")
	errMalformed   = errors.New("malformed password hash")
	errCostly      = errors.New("password hash takes more work to check than is allowed")
)

// Bounds on what one packet may cost.
const (
	// maxPassword matters because SHA-crypt and MD5-crypt read the password in every
	// round. The server_auth field of a packet has room for less.
	maxPassword   = 512
	maxSHARounds  = 1_000_000 // about a second
	maxBcryptCost = 15        // about two seconds
	maxScryptSize = 128 << 20 // bytes of memory in all passes, about half a second; Debian's default of yescrypt is 16 MiB
)

// A kind is one form of hash.
type kind struct {
	// form is what follows the identifier. Its group "cost", if any, is the parameter
	// that sets the work.
	form  *regexp.Regexp
	cost  func(parameter string) error
	match func(hash, password string) (bool, error) // of a hash of that form
}

// kinds returns the kinds of hash by identifier. They are made when the first hash is checked,
// not at each start of the program. The forms are stricter than the decoders, which take digests that
// are cut short and parameters that are written twice.
var kinds = sync.OnceValue(func() map[string]*kind {
	blowfish := &kind{regexp.MustCompile(`^(?P<cost>[0-9]{2})\$[./0-9A-Za-z]{53}$`), bcryptCost, decodedBy(bcrypt.Decode)}
	return map[string]*kind{
		"1":  {regexp.MustCompile(`^[^$]{0,8}\$[./0-9A-Za-z]{22}$`), nil, decodedBy(md5crypt.Decode)},
		"5":  {shaForm(43), shaCost, decodedBy(shacrypt.Decode)},
		"6":  {shaForm(86), shaCost, decodedBy(shacrypt.Decode)},
		"2a": blowfish,
		"2b": blowfish,
		"2y": blowfish,
		"y":  {regexp.MustCompile(`^(?P<cost>[./0-9A-Za-z]+)\$[./0-9A-Za-z]{0,86}\$[./0-9A-Za-z]{43}$`), yescryptCost, decodedBy(decodeYescrypt)},
		"7":  {regexp.MustCompile(`^(?P<cost>[./0-9A-Za-z]{11})[./0-9A-Za-z]{0,86}\$[./0-9A-Za-z]{43}$`), scryptCost, matchScrypt},
	}
})

func shaForm(digest int) *regexp.Regexp {
	return regexp.MustCompile(fmt.Sprintf(`^(?:rounds=(?P<cost>[1-9][0-9]*)\$)?[^$]{0,16}\$[./0-9A-Za-z]{%d}$`, digest))
}

// Verify reports whether password has the hash. The comparison takes the same time
// wherever the difference is. An empty hash and one that is locked with "!" or "*"
// fit no password.
func Verify(hash, password string) (bool, error) {
	if len(password) > maxPassword || strings.IndexByte(password, 0) >= 0 {
		return false, nil // no system's passwd takes those
	}
	if hash == "" || hash[0] == '!' || hash[0] == '*' {
		return false, nil
	}
	if hash[0] != '$' {
		return false, fmt.Errorf("%w: DES", errUnsupported)
	}
	id, rest, _ := strings.Cut(hash[1:], "$")
	k := kinds()[id]
	switch {
	case id == "gy":
		return false, fmt.Errorf("%w: gost-yescrypt is not supported, yescrypt and SHA-512 are", errUnsupported)
	case k == nil:
		return false, fmt.Errorf("%w: unknown kind", errUnsupported)
	}
	return k.verify(hash, rest, password)
}

// verify checks the form and the cost of a hash before it does the work.
func (k *kind) verify(hash, rest, password string) (bool, error) {
	m := k.form.FindStringSubmatch(rest)
	if m == nil {
		return false, errMalformed
	}
	if i := k.form.SubexpIndex("cost"); i > 0 && m[i] != "" {
		if err := k.cost(m[i]); err != nil {
			return false, err
		}
	}
	ok, err := k.match(hash, password)
	if err != nil {
		return false, errMalformed
	}
	return ok, nil
}

// decodedBy returns the function match of a kind that the library decodes.
func decodedBy(decode algorithm.DecodeFunc) func(hash, password string) (bool, error) {
	return func(hash, password string) (bool, error) {
		digest, err := decode(hash)
		if err != nil {
			return false, err
		}
		return digest.MatchAdvanced(password)
	}
}

func shaCost(rounds string) error {
	n, err := strconv.Atoi(rounds)
	if err != nil || n > maxSHARounds {
		return fmt.Errorf("%w: more than %d rounds", errCostly, maxSHARounds)
	}
	return nil
}

func bcryptCost(cost string) error {
	if n, err := strconv.Atoi(cost); err != nil || n > maxBcryptCost {
		return fmt.Errorf("%w: a cost above %d", errCostly, maxBcryptCost)
	}
	return nil
}

func yescryptCost(setting string) error {
	_, log2N, r, err := yescrypt.DecodeSetting([]byte(setting))
	if err != nil {
		return fmt.Errorf("%w: yescrypt with parameters that crypt(5) does not make", errUnsupported)
	}
	return scryptSize(log2N, uint64(r))
}

// scryptSize bounds the memory of scrypt and yescrypt; blocks is r, times the passes.
func scryptSize(log2N int, blocks uint64) error {
	if log2N > 32 || blocks > maxScryptSize || 128*blocks<<log2N > maxScryptSize {
		return fmt.Errorf("%w: more than %d MiB of memory", errCostly, maxScryptSize>>20)
	}
	return nil
}

// decodeYescrypt takes only what is spelled as yescrypt spells it: the decoder replaces
// a salt that it cannot read by none.
func decodeYescrypt(hash string) (algorithm.Digest, error) {
	digest, err := scrypt.Decode(hash)
	if err == nil && digest.Encode() != hash {
		err = errMalformed
	}
	return digest, err
}
