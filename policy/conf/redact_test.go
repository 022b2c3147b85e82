package conf

import (
	"encoding/base64"
	"strings"
	"testing"

	"fwknopd/fixtures/short"
)

// theSecrets are keys as users write them: a passphrase, base64, hex.
var theSecrets = []string{"hunter2-Zx9", "GEHEIMNIS", base64.StdEncoding.EncodeToString([]byte("hunter2 hunter2 hunter2 hunter2!")), "68756e7465723268756e746572323a", "correct horse battery"}

// A key in a malformed line is in no message, whatever is wrong with the line.
func TestNoKeyInMessages(t *testing.T) {
	short.Skip(t)
	words := []string{"KEY", "KEY_BASE64", "HMAC_KEY", "HMAC_KEY_BASE64", "GPG_DECRYPT_PW", "GPG DECRYPT_PW", "GPG_SIGNING_PW", "key", "Key_Base64", "KEY_BASE46"}
	forms := []string{
		"%[1]s=%[2]s", "%[1]s=%[2]s;", "%[1]s = %[2]s", "%[1]s:%[2]s", "%[1]s\t%[2]s;", "%[1]s%[2]s", "%[1]s,%[2]s;", "%[1]s;%[2]s", "%[1]s/%[2]s",
		"%[1]s\u00a0%[2]s", "%[1]s\v%[2]s", "%[1]s-%[2]s", "%[1]s_%[2]s", "\"%[1]s %[2]s\"", "'%[1]s'=%[2]s", "%[1]s=\"%[2]s\"", "[%[1]s]%[2]s", "export %[1]s=%[2]s",
		"%[2]s", "%[2]s;", "\"%[2]s\"", "=%[2]s", ":%[2]s", "; %[2]s", "%%%[1]s=%[2]s", "%%include%[1]s=%[2]s", "%%%[2]s", "%%include %[1]s=%[2]s", "%%include_folder %[1]s=%[2]s",
		"%%include_keys %[1]s:%[2]s", "%%include_keys", "-%[1]s %[2]s", "--%[1]s=%[2]s", "$%[1]s=%[2]s", "# x\r%[1]s=%[2]s", "SOURCE=ANY %[1]s=%[2]s",
	}
	for _, secret := range theSecrets {
		for _, word := range words {
			var lines []string
			for _, form := range forms {
				lines = append(lines, strings.NewReplacer("%[1]s", word, "%[2]s", secret, "%%", "%").Replace(form))
			}
			checkNoKey(t, lines, secret)
		}
	}
}

// The same behind the value of every other keyword of both files.
func TestNoKeyBehindOtherValue(t *testing.T) {
	secret := theSecrets[0]
	for _, table := range [][]Keyword{ServerKeywords, AccessKeywords} {
		for i := range table {
			k := &table[i]
			if k.Secret() {
				continue
			}
			var lines []string
			for _, form := range []string{"K KEY=S", "K: KEY: S;", "K ANY KEY S;", "K: ANY; KEY=S", "K: ANY; KEY: S;", "K ANY, HMAC_KEY=S", "K: (ANY HMAC_KEY S;"} {
				rest := strings.Replace(strings.TrimPrefix(form, "K"), "S", secret, 1)
				lines = append(lines, k.Name+rest)
			}
			checkNoKey(t, lines, secret)
		}
	}
}

// checkNoKey loads files with the lines, and reports a problem with a part of secret.
func checkNoKey(t *testing.T, lines []string, secret string) {
	t.Helper()
	line := strings.Join(lines, "\n") + "\n"
	for _, access := range []string{perl19(line), c26(line, "%include_keys keys")} {
		_, _, _, problems := Load(Options{FS: memFS{"main.conf": line, "access.conf": access, "keys": line}, Server: "main.conf",
			Access: "access.conf", Host: fakeHost{}, Lenient: true}) // a warning prints what an error does
		for _, p := range problems {
			for i := 0; i+5 <= len(secret); i++ {
				if strings.Contains(p.String(), secret[i:i+5]) {
					t.Errorf("%s in\n%s", p, line)
					break
				}
			}
		}
	}
}

// Messages still say what is wrong with which keyword.
func TestMalformedLines(t *testing.T) {
	const blank = "unknown keyword, a blank is wanted between a keyword and its value"
	for line, want := range map[string]string{
		"KEY=hunter2":       "access.conf:4: KEY…: " + blank,
		"OPEN_PORTS=tcp/22": "access.conf:4: OPEN_PORTS…: " + blank,
		"KEYhunter2":        "access.conf:4: KEY…: unknown keyword",
		"aHVudGVyMg==":      "access.conf:4: …: unknown keyword",
		"REQUIRE_SUORCE Y":  "access.conf:4: REQUIRE_SUORCE: unknown keyword (did you mean REQUIRE_SOURCE?)",
		"ALLOW_MAGIC Y":     "access.conf:4: ALLOW_MAGIC: unknown keyword",
		"%includes x":       "access.conf:4: %includes: unknown directive (did you mean %include?)",
		"GEHEIMNIS;":        "access.conf:4: …: unknown keyword",
		"%KEY=x y":          "access.conf:4: %…: unknown directive",
	} {
		_, _, _, problems := loadText("", "SOURCE ANY\nKEY sixteen letters!\n\n"+line+"\n")
		if len(problems) == 0 || problems[0].String() != want {
			t.Errorf("%q: %v, want %s", line, problems, want)
		}
	}
}
