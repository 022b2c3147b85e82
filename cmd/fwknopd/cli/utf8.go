package cli

import (
	"cmp"
	"os"
	"strings"
)

// UTF8 reports whether the locale of the user has UTF-8, by the variables that the C library
// looks at.
func UTF8() bool {
	locale := strings.ToLower(cmp.Or(os.Getenv("LC_ALL"), os.Getenv("LC_CTYPE"), os.Getenv("LANG")))
	return strings.Contains(locale, "utf-8") || strings.Contains(locale, "utf8")
}
