package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"fwknopd/enforce/schedule"
)

// The files of ACCESS_USES. usesBegun is empty and made with the first Uses: without it a
// missing Uses is that of a first start.
const (
	Uses      = "uses.state"
	usesBegun = "uses.begun"
)

// LoadUses reads how often stanzas have granted. If that is not known, the counts say why:
// stanzas with ACCESS_USES then refuse until their counts are reset.
func LoadUses(dir string) schedule.Counts {
	path := filepath.Join(dir, Uses)
	text, err := Read(path)
	if err == nil {
		var counts schedule.Counts
		if counts, err = schedule.ParseCounts(text); err == nil {
			return counts
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		if _, begun := os.Lstat(filepath.Join(dir, usesBegun)); errors.Is(begun, fs.ErrNotExist) {
			return schedule.Counts{}
		}
		err = errors.New("it is missing, and uses were counted before")
	}
	return schedule.Counts{Doubt: fmt.Sprintf("%s: %v", path, err)}
}

// SaveUses writes the counts, and returns when they are on disk.
func SaveUses(dir string, counts *schedule.Counts) error {
	text, err := counts.Format()
	if err != nil {
		return err
	}
	if err := Replace(filepath.Join(dir, Uses), text); err != nil {
		return err
	}
	if _, err := os.Lstat(filepath.Join(dir, usesBegun)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return Replace(filepath.Join(dir, usesBegun), nil)
}
