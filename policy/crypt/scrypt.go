package crypt

import (
	"crypto/subtle"
	"strings"

	"github.com/go-crypt/x/scrypt"
	"github.com/go-crypt/x/yescrypt"
)

// The parameters of scrypt in a hash of crypt(5), which the library does not read: the logarithm
// of N in a character, r and p in five each, those of least weight first.
type scryptParameters struct {
	log2N int
	r, p  uint64
}

// alphabet is that of crypt(5): each character stands for its place.
const alphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// parameterLen is the length of the parameters.
const parameterLen = 1 + 5 + 5

// readScrypt reads parameters of parameterLen characters of the alphabet.
func readScrypt(text string) scryptParameters {
	return scryptParameters{int(littleEndian(text[:1])), littleEndian(text[1:6]), littleEndian(text[6:parameterLen])}
}

func littleEndian(text string) (n uint64) {
	for i := len(text) - 1; i >= 0; i-- {
		n = n<<6 | uint64(strings.IndexByte(alphabet, text[i]))
	}
	return n
}

func scryptCost(parameters string) error {
	s := readScrypt(parameters)
	if s.log2N == 0 || s.r == 0 || s.p == 0 {
		return errMalformed
	}
	return scryptSize(s.log2N, s.r*s.p)
}

// matchScrypt computes $7$PARAMETERSSALT$DIGEST; the salt is text.
func matchScrypt(hash, password string) (bool, error) {
	setting, digest, _ := strings.Cut(hash[len("$7$"):], "$")
	s := readScrypt(setting)
	key, err := scrypt.Key([]byte(password), []byte(setting[parameterLen:]), 1<<s.log2N, int(s.r), int(s.p), 32)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(yescrypt.Encode64(key), []byte(digest)) == 1, nil
}
