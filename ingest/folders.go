package ingest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// maxPathLinks is how many symbolic links a path may lead through, as in the kernel.
const maxPathLinks = 40

// Folders returns the directories below which the process that reads opens files by
// itself: that of a file that is followed, and those of the symbolic links that its path
// leads through and of what they lead to. A directory that is not there yet stands for
// the one that it will be made in. The root directory is none of them: what is in it is
// opened by the privileged process alone.
func (s *Spec) Folders() (folders []string) {
	path, err := filepath.Abs(s.Path)
	if s.Once || !sourceKinds[s.Mode].follows || err != nil {
		return nil
	}
	for range maxPathLinks {
		dir := filepath.Dir(path)
		link, target, isLink := firstLink(path)
		if isLink {
			dir = filepath.Dir(link)
		}
		for dir != "/" && !isDir(dir) {
			dir = filepath.Dir(dir)
		}
		if dir != "/" && !slices.Contains(folders, dir) {
			folders = append(folders, dir)
		}
		if !isLink {
			break
		}
		path = target + strings.TrimPrefix(path, link)
	}
	return folders
}

// firstLink returns the first name on a path that is a symbolic link, and where that
// leads to.
func firstLink(path string) (link, target string, ok bool) {
	for end := 1; end <= len(path); end++ {
		if end < len(path) && path[end] != '/' {
			continue
		}
		link = path[:end]
		if target, err := os.Readlink(link); err == nil {
			if !filepath.IsAbs(target) {
				target = filepath.Join(filepath.Dir(link), target)
			}
			return link, filepath.Clean(target), true
		}
	}
	return "", "", false
}

func isDir(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.IsDir()
}
