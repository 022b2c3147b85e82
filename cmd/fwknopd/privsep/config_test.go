package privsep

import (
	"errors"
	"io/fs"
	"testing"

	"fwknopd/policy/conf"
)

func TestRecordedFS(t *testing.T) {
	c := &Config{Files: map[string]FileResult{"gone": {NotExist: true, Err: "x"}, "bad": {Err: "no luck"}, "good": {Data: []byte("text")}}, Folders: map[string][]string{"d": {"d/a"}}}
	h := recordedFS{c}
	if _, _, err := h.Read("gone"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("gone: %v", err)
	}
	for _, name := range []string{"bad", "never asked for"} {
		if _, _, err := h.Read(name); err == nil {
			t.Errorf("%s was read", name)
		}
	}
	if data, _, err := h.Read("good"); err != nil || string(data) != "text" {
		t.Errorf("good: %q, %v", data, err)
	}
	if names, err := h.List("d"); err != nil || len(names) != 1 {
		t.Errorf("list: %v, %v", names, err)
	}
	if _, err := h.List("e"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("list of another folder: %v", err)
	}
}

func TestConfigEqual(t *testing.T) {
	one := func(data string) *Config {
		return &Config{Files: map[string]FileResult{"a": {Data: []byte(data), Info: conf.FileInfo{Perm: 0o600}}}}
	}
	if !one("x").Equal(one("x")) || one("x").Equal(one("y")) || one("x").Equal(&Config{}) {
		t.Error("Equal does not distinguish configurations")
	}
}
