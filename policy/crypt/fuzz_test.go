package crypt

import (
	"testing"
)

// FuzzVerify: a hash of any form is refused or compared within the bounds of its cost, an
// error is no success, and a password with a NUL fits nothing.
func FuzzVerify(f *testing.F) {
	for _, hash := range []string{
		"", "!", "*", "ab01FAX.bQRSU", "$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1", "$5$rounds=1000$a$b", "$6$rounds=999999999$a$b",
		"$2b$31$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyz01234", "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$x", "$7$x", "$gy$j9T$a$b",
	} {
		f.Add(hash, "secret")
	}
	f.Fuzz(func(t *testing.T, hash, password string) {
		ok, err := Verify(hash, password)
		if ok && (err != nil || hash == "" || hash[0] != '$') {
			t.Fatalf("%q fits %q, %v", password, hash, err)
		}
		if fits, err := Verify(hash, password+"\x00"); fits || err != nil {
			t.Fatalf("a password with NUL: %v, %v", fits, err)
		}
	})
}
