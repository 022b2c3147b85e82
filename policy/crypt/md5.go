package crypt

import "crypto/md5"

const (
	md5Rounds    = 1000
	md5Salt      = 8  // most characters
	md5DigestLen = 22 // characters
)

// verifyMD5 is MD5-crypt, as FreeBSD made it in 1994.
func verifyMD5(s, password string) (bool, error) {
	salt, digest, err := splitSalt(s, md5Salt, md5DigestLen)
	if err != nil {
		return false, err
	}
	sum := md5Digest([]byte(password), []byte(salt))
	var out []byte
	for i := range 5 {
		c := i + 12
		if i == 4 {
			c = 5
		}
		out = append24(out, sum[i], sum[i+6], sum[c], 4)
	}
	return equal(append24(out, 0, 0, sum[11], 2), digest), nil
}

func md5Digest(password, salt []byte) [md5.Size]byte {
	h := md5.New()
	h.Write(password)
	h.Write(salt)
	h.Write(password)
	var alt [md5.Size]byte
	h.Sum(alt[:0])

	h.Reset()
	h.Write(password)
	h.Write([]byte("$1$"))
	h.Write(salt)
	for n := len(password); n > 0; n -= md5.Size {
		h.Write(alt[:min(n, md5.Size)])
	}
	for n := len(password); n > 0; n >>= 1 {
		if n&1 != 0 {
			h.Write([]byte{0})
		} else {
			h.Write(password[:1])
		}
	}
	var sum [md5.Size]byte
	h.Sum(sum[:0])
	for i := range md5Rounds {
		h.Reset()
		stir(h, i, password, sum[:], salt)
		h.Sum(sum[:0])
	}
	return sum
}
