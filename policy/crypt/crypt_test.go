package crypt

import (
	"errors"
	"os/exec"
	"strings"
	"testing"

	"fwknopd/fixtures/short"
)

// TestVerify has hashes made by the C library of Debian 12 (libcrypt1 4.4.33), those of
// yescrypt by mkpasswd of its package whois and by perl:
//
//	printf secret | mkpasswd -s -m yescrypt -S '$y$j9T$F5Jx5fExrKuPp53xLKQ..1'
//	perl -e 'print crypt("secret", q($y$j75$))'
//	perl -e 'print crypt("secret", q($7$C6..../....SodiumChloride))'
func TestVerify(t *testing.T) {
	short.Skip(t)
	for _, c := range []struct{ name, hash, password string }{
		{"md5", "$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1", "secret"},
		{"md5 empty password", "$1$abcdefgh$M55TzYaaccxVGbptZWaxX/", ""},
		{"md5 short salt", "$1$ab$dslkcXxVH.x8LwW1W/oAB/", "secret"},
		{"md5 no salt", "$1$$ysVNzQc4CTMkp5daOdZ.3/", "secret"},
		{"md5 long password", "$1$abcdefgh$ax3Kvr/hbxTbyc0QiTLcg/", strings.Repeat("x", 100)},
		{"sha256", "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5", "Hello world!"},
		{"sha256 rounds, short salt", "$5$rounds=1400$ab$QyUJd7xqoUKRwoB4ruav6u/e5q3equwFMkW1Zi6heU9", "secret"},
		{"sha256 rounds, full salt", "$5$rounds=10000$saltstringsaltst$3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA", "Hello world!"},
		{"sha256 no salt", "$5$$o1w7HPzHt8gHmL5zUzDkRqt6Az.BjDfkvuDNNLWnXx5", "secret"},
		{"sha256 long password", "$5$ab$1h755jb7H.lK/zq7Tyu/.IMELL0StfkZ6OxNMS.A3A9", strings.Repeat("y", 200)},
		{"sha512", "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1", "Hello world!"},
		{"sha512 rounds, short salt", "$6$rounds=1000$ab$3tLFZOSDxcyiDWcYSrieU1uloXMcbPJQRTcotZNqEJiB1iizwjzbn2jECOCvw6wslPpiTPzli2jppqTUXUq9N0", "secret"},
		{"sha512 empty password", "$6$saltstring$kyGrqt6gmjAdtFLPrflEFifSYLCWWq1pyx95SvqinLDy2UHmj0sTF0MSLMwxPFZc3tu5kQckI8fks0zOPda3n1", ""},
		{"sha512 long password", "$6$ab$lp6hLQ.4JeDs00s23Yem5jvQrJIg0rk5NNk5y4wrqV7ZjdWA6pnJNInpEqPFFje/2mRqFnl2LvBa9ztoByXMs/", strings.Repeat("y", 200)},
		{"sha512 high bytes", "$6$ab$egoRpOCqv0CxABPe4gxKv54F7tXnQopqcYQeenbEKSrDj1JXMLWSz4jpUkVmmeAYHs7sUTiacXiE.77FT2u.D/", "grün"},
		{"bcrypt 2b", "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW", "secret"},
		{"bcrypt 2a", "$2a$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW", "secret"},
		{"bcrypt 2y", "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW", "secret"},
		{"bcrypt 72 bytes and more", "$2b$04$abcdefghijklmnopqrstuu7c/9gwyU5n92/NDnt1NVdILq9XYhttG", strings.Repeat("z", 80)},
		{"scrypt", "$7$C6..../....SodiumChloride$KnaT/KYqe0Wkw8JJxj5dtK/JH3wZT3jEZzX4iCRKXQ0", "secret"},
		{"scrypt of 128 MiB", "$7$DU..../....abcdefgh$UyrRMG5MoAT9tuqWlDJs1XK70KjL6eGps6eZyhgWxp.", "secret"},
		{"scrypt no salt", "$7$6U..../....$f/U.ham8enCwU98vnxKvpBWNxRb/fEnk2r9kqgf.LI2", "secret"},
		{"scrypt empty password", "$7$7U..../..../...$rUkgVo3yn.5LZL.DG/abVPsZs85iUaNNubQMi0JTma3", ""},
		{"yescrypt", "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$GmcwIgvdUC9qLWcKCi6gklUa1dM3ziD43YxYNURLKy0", "secret"},
		{"yescrypt empty password", "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$5P1uc1zvKhieqEtKttbwCQrTPXpY1cK9wEnTDKAqLD8", ""},
		{"yescrypt no salt", "$y$j75$$2ydGyJY.m3lesWesWhmcrVX27GKM4AqNwOMJADwvhjB", "secret"},
		{"yescrypt short salt", "$y$j75$a.$zh6d99ohjh4TBswDR9BZm7x9Yct.1gdnZlDpUFSZixC", "secret"},
		{"yescrypt longest salt", "$y$j75$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.$RvsUoaQV5ednIuhkygiiKzK846YOFfqkPWnjdPaRdq9", "secret"},
		{"yescrypt high bytes", "$y$j75$abcdefgh$K9ONXoiEdIqwYyERZ1pheQKaI2dq3tV1VD3sKB7DKg0", "grün"},
		{"yescrypt long password", "$y$j7T$abcdefgh$VfkDjBBLVsfre8aYzNVv8hVr0e/AtBOMo3uQIhZhmo.", strings.Repeat("y", 200)},
	} {
		if ok, err := Verify(c.hash, c.password); !ok || err != nil {
			t.Errorf("%s: %v, %v", c.name, ok, err)
		}
		if ok, err := Verify(c.hash, "x"+c.password); ok || err != nil {
			t.Errorf("%s, wrong password: %v, %v", c.name, ok, err)
		}
	}
}

// TestAgainstC holds every password length around the block sizes against the C
// library.
func TestAgainstC(t *testing.T) {
	short.Skip(t)
	perl, err := exec.LookPath("perl")
	if err != nil {
		t.Skip(err)
	}
	const script = `for my $s (@ARGV) { print crypt("a" x $_, $s), "\n" for 0..130 }`
	settings := []string{"$1$ab", "$5$rounds=1000$abc", "$6$rounds=1000$abcdefghijklmnop", "$2b$04$abcdefghijklmnopqrstuu", "$y$j7.$abcdefgh", "$7$66..../....abcdefgh"}
	out, err := exec.Command(perl, append([]string{"-e", script}, settings...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	hashes := strings.Fields(string(out))
	if len(hashes) != 131*len(settings) {
		t.Fatalf("%d hashes", len(hashes))
	}
	for i, h := range hashes {
		if ok, err := Verify(h, strings.Repeat("a", i%131)); !ok || err != nil {
			t.Errorf("%s of %d: %v, %v", h, i%131, ok, err)
		}
	}
}

// TestYescryptCost: the bound itself is allowed; a step of either parameter is not.
func TestYescryptCost(t *testing.T) {
	for setting, want := range map[string]error{"j9T": nil, "jCT": nil, "jCU": errCostly, "jDT": errCostly} {
		if err := yescryptCost(setting); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", setting, err, want)
		}
	}
}

func TestRefused(t *testing.T) {
	const yescrypt = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$GmcwIgvdUC9qLWcKCi6gklUa1dM3ziD43YxYNURLKy0"
	const scrypt = "$7$C6..../....SodiumChloride$KnaT/KYqe0Wkw8JJxj5dtK/JH3wZT3jEZzX4iCRKXQ0"
	const good = "$6$spatestsalt$HsiYVOGlC1R9lpMTEHZeR5z40Kq21S/WkIE.y3EdQ6xNZkFDj0xVmrWxonNhX4j64neRM.ENUiDGRMbadleLx1"
	for _, c := range []struct {
		name, hash, password string
		want                 error
	}{
		{"wrong password", good, "unix-pass-2", nil},
		{"password with nul", good, "unix-pass-1\x00", nil},
		{"long password", good, strings.Repeat("x", maxPassword+1), nil},
		{"empty hash", "", "", nil},
		{"locked", "!" + good, "unix-pass-1", nil},
		{"no login", "*", "unix-pass-1", nil},
		{"gost-yescrypt", "$gy$j9T$abc$def", "x", errUnsupported},
		{"costly scrypt", strings.Replace(scrypt, "$7$C6", "$7$N6", 1), "x", errCostly},
		{"scrypt of the most memory", strings.Replace(scrypt, "C6..../....", "zzzzzzzzzzz", 1), "x", errCostly},
		{"scrypt of many passes", strings.Replace(scrypt, "C6..../....", "C6....zzzzz", 1), "x", errCostly},
		{"scrypt without passes", strings.Replace(scrypt, "C6..../....", "C6.........", 1), "x", errMalformed},
		{"scrypt without memory", strings.Replace(scrypt, "C6..../....", "......./....", 1), "x", errMalformed},
		{"scrypt digest cut", scrypt[:len(scrypt)-1], "secret", errMalformed},
		{"des", "abJnggxhB/yWI", "x", errUnsupported},
		{"no salt", "$6", "x", errMalformed},
		{"unknown", "$9$abc$def", "x", errUnsupported},
		{"broken bcrypt", "$2x$10$abcdefghijklmnopqrstuu", "x", errUnsupported},
		{"short bcrypt", "$2b$10$abc", "x", errMalformed},
		{"costly bcrypt", "$2b$31$" + strings.Repeat("a", 53), "x", errCostly},
		{"costly yescrypt", strings.Replace(yescrypt, "$j9T$", "$jDT$", 1), "x", errCostly},
		{"costliest yescrypt", strings.Replace(yescrypt, "$j9T$", "$jzz$", 1), "x", errCostly},
		{"yescrypt with other flags", strings.Replace(yescrypt, "$j9T$", "$/9T$", 1), "x", errUnsupported},
		{"yescrypt with more parameters", strings.Replace(yescrypt, "$j9T$", "$j9T..$", 1), "x", errUnsupported},
		{"yescrypt salt of half a byte", strings.Replace(yescrypt, "$F5Jx5fExrKuPp53xLKQ..1$", "$/$", 1), "x", errMalformed},
		{"yescrypt digest cut", yescrypt[:len(yescrypt)-1], "secret", errMalformed},
		{"yescrypt digest of a byte", yescrypt[:len(yescrypt)-41], "secret", errMalformed},
		{"yescrypt digest of 258 bits", yescrypt[:len(yescrypt)-1] + "z", "secret", errMalformed},
		{"digest cut", good[:len(good)-1], "unix-pass-1", errMalformed},
		{"salt too long", strings.Replace(good, "spatestsalt", "spatestsaltspatest", 1), "unix-pass-1", errMalformed},
		{"rounds too few", strings.Replace(good, "$6$", "$6$rounds=999$", 1), "unix-pass-1", errMalformed},
		{"rounds too many", strings.Replace(good, "$6$", "$6$rounds=1000001$", 1), "unix-pass-1", errCostly},
		{"rounds beyond numbers", strings.Replace(good, "$6$", "$6$rounds=99999999999999999999$", 1), "unix-pass-1", errCostly},
		{"rounds twice", strings.Replace(good, "$6$", "$6$rounds=1000,rounds=999999999$", 1), "unix-pass-1", errMalformed},
		{"digest empty", "$6$spatestsalt$", "unix-pass-1", errMalformed},
		{"rounds with a zero", strings.Replace(good, "$6$", "$6$rounds=05000$", 1), "unix-pass-1", errMalformed},
		{"rounds empty", strings.Replace(good, "$6$", "$6$rounds=$", 1), "unix-pass-1", errMalformed},
	} {
		ok, err := Verify(c.hash, c.password)
		if ok || !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s: %v, %v; want %v", c.name, ok, err, c.want)
		}
		if err != nil && len(c.hash) > 4 && strings.Contains(err.Error(), c.hash[4:]) {
			t.Errorf("%s: the error tells the hash", c.name)
		}
	}
}
