//go:build !unix

package wholefile

import "os"

func giveTo(*os.File, os.FileInfo) error { return nil }
